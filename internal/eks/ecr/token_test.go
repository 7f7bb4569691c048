package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"naru.dev/naru/internal/iam"
)

// holder is whose key it is.
type holder struct {
	userID string
	asked  []string
}

func (h *holder) Lookup(_ context.Context, key, session string) (iam.Identity, error) {
	h.asked = []string{key, session}
	return iam.Identity{Secret: "never in a token", Caller: iam.Caller{UserID: h.userID}}, nil
}

// TestSession: a session's token ends with the session, and is looked up with what the session was.
func TestSession(t *testing.T) {
	now := time.Now()
	h := New(Options{Key: []byte("key"), Now: func() time.Time { return now }})
	ends := now.Add(time.Hour)
	r := httptest.NewRequest("POST", "https://naru/", nil)
	r.Header.Set("X-Amz-Security-Token", "what the session is")
	caller := iam.Caller{UserID: "AROA:x", AccessKeyID: "ASIAX", Session: &iam.Session{Expires: ends}}
	told, err := h.authorization(r.WithContext(iam.WithCaller(r.Context(), caller)), authorizationInput{})
	if err != nil {
		t.Fatal(err)
	}
	answers, ok := told.(map[string]any)["authorizationData"].([]authorization)
	if !ok || answers[0].Expires != ends.Unix() || answers[0].Endpoint != "https://naru" {
		t.Fatalf("%+v", told)
	}
	text, err := base64.StdEncoding.DecodeString(answers[0].Token)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(string(text), "AWS:")
	who := &holder{userID: "AROA:x"}
	if _, err := h.tokens.caller(t.Context(), who, token); err != nil || strings.Join(who.asked, " ") != "ASIAX what the session is" {
		t.Errorf("%v, %v", who.asked, err)
	}
	if _, err := h.tokens.caller(t.Context(), &holder{userID: "AROA:another"}, token); !errors.Is(err, errToken) {
		t.Errorf("when the key is another's by now, it is refused: %v", err)
	}
	now = ends
	if _, err := h.tokens.caller(t.Context(), who, token); !errors.Is(err, errToken) {
		t.Errorf("when the session is over, the token is: %v", err)
	}
}
