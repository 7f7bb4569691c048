package podidentity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"naru.dev/naru/internal/podroles"
)

// asked is a source that counts, and answers by the token.
type asked struct {
	times int
	err   error
}

func (a *asked) ask(_ context.Context, token string) (podroles.Answer, error) {
	a.times++
	answer := podroles.Answer{AssumedRoleUser: podroles.AssumedRoleUser{ARN: "arn:aws:sts::111122223333:assumed-role/app/s"}}
	answer.Credentials = podroles.Credentials{AccessKeyID: fmt.Sprintf("ASIA%d", a.times), SecretAccessKey: "of " + token, SessionToken: "t", Expiration: float64(start().Add(time.Hour).Unix())}
	return answer, a.err
}

func start() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

func jwt(name string, audience any, life time.Duration) string {
	text, _ := json.Marshal(map[string]any{"sub": name, "aud": audience, "exp": start().Add(life).Unix()})
	return "e30." + base64.RawURLEncoding.EncodeToString(text) + ".c2ln"
}

// node is an agent whose clock the test moves.
type node struct {
	*agent
	source *asked
	clock  time.Time
}

func newNode() *node {
	n := &node{source: &asked{}, clock: start()}
	n.agent = newAgent(n.source, slog.New(slog.DiscardHandler), func() time.Time { return n.clock })
	return n
}

func (n *node) get(token string) (int, document) {
	request := httptest.NewRequest(http.MethodGet, podroles.CredentialsPath, nil)
	request.Header.Set("Authorization", token)
	recorder := httptest.NewRecorder()
	n.handler().ServeHTTP(recorder, request)
	var got document
	_ = json.Unmarshal(recorder.Body.Bytes(), &got)
	return recorder.Code, got
}

func TestCredentials(t *testing.T) {
	one, two := jwt("one", []string{podroles.Audience}, 24*time.Hour), jwt("two", podroles.Audience, 10*time.Minute)
	n := newNode()
	status, got := n.get(one)
	if status != http.StatusOK || got.SecretAccessKey != "of "+one || got.AccountID != "111122223333" || !got.Expiration.Equal(start().Add(time.Hour)) {
		t.Errorf("when a token is good, it gives credentials: %d %+v", status, got)
	}
	if _, other := n.get(two); other.SecretAccessKey != "of "+two {
		t.Errorf("when another pod asks, it gets its own: %+v", other)
	}
	if _, again := n.get(one); again.AccessKeyID != got.AccessKeyID || n.source.times != 2 {
		t.Errorf("when it asks again, it is remembered: %+v", again)
	}
	n.clock = start().Add(freshFor)
	if _, later := n.get(one); later.AccessKeyID == got.AccessKeyID {
		t.Errorf("when some time has passed, it is asked anew")
	}
	n.clock, n.source.err = n.clock.Add(freshFor), errors.New("nobody answers")
	if status, had := n.get(one); status != http.StatusOK || had.AccessKeyID == "" {
		t.Errorf("when nobody answers, it gives what it had: %d", status)
	}
	if status, _ := n.get(two); status != http.StatusBadRequest {
		t.Errorf("when the token is over, what it had is not given: %d", status)
	}
	n.source.err = &refusal{status: 404, said: podroles.Error{Type: "ResourceNotFoundException"}}
	if status, _ := n.get(one); status != http.StatusNotFound {
		t.Errorf("when the role was taken away, it says so: %d", status)
	}
	n.source.err = errors.New("nobody answers")
	if status, _ := n.get(one); status != http.StatusServiceUnavailable {
		t.Errorf("when nobody answers after that, there are none: %d", status)
	}
	n.clock, n.source.err = start(), nil
	n.get(one)
	n.clock, n.source.err = start().Add(time.Hour), errors.New("nobody answers")
	if status, _ := n.get(one); status != http.StatusServiceUnavailable {
		t.Errorf("when credentials are near their end, they are not given: %d", status)
	}
}

func TestRefusals(t *testing.T) {
	n := newNode()
	for name, token := range map[string]string{
		"when there is no token": "", "when it is none": "a.b.c", "when it is for another service": jwt("x", "sts.amazonaws.com", time.Hour),
		"when it is over": jwt("x", podroles.Audience, -time.Second), "when it has no audience": jwt("x", nil, time.Hour),
	} {
		if status, got := n.get(token); status != http.StatusBadRequest || got.AccessKeyID != "" {
			t.Errorf("%s, it is refused: %d %+v", name, status, got)
		}
	}
	if n.source.times != 0 {
		t.Errorf("nobody is asked because of them: %d", n.source.times)
	}
	const many = 10 * burst
	status := 0
	for i := 0; i < many && status != http.StatusTooManyRequests; i++ {
		status, _ = n.get(jwt(fmt.Sprint(i), podroles.Audience, time.Hour))
	}
	if status != http.StatusTooManyRequests || n.source.times < burst {
		t.Errorf("when one address shows many tokens, it has to wait: %d after %d", status, n.source.times)
	}
}

func TestRead(t *testing.T) {
	var refused *refusal
	for name, test := range map[string]struct {
		status int
		body   string
		given  bool
		said   bool
	}{
		"when there are credentials, they are read":        {200, `{"credentials":{"accessKeyId":"ASIA1"}}`, true, false},
		"when there are none, it is a failure":             {200, `{}`, false, false},
		"when it is refused, that is told":                 {400, `{"__type":"AccessDeniedException","message":"no"}`, false, true},
		"when something else answers, that is no refusal":  {404, `not found`, false, false},
		"when it can't answer now, that is no refusal":     {503, `{"__type":"ServiceUnavailableException"}`, false, false},
		"when it is asked too much of, that is no refusal": {429, `{"__type":"ThrottlingException"}`, false, false},
	} {
		answer, err := read(test.status, []byte(test.body))
		if (err == nil) != test.given || (answer.Credentials.AccessKeyID != "") != test.given || errors.As(err, &refused) != test.said {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
	}
}
