package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sealer(t testing.TB, root byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{root}, RootKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func claims() Claims {
	return Claims{Principal: "arn:aws:iam::111122223333:role/dev", PrincipalID: "AROAEXAMPLE", Name: "alice", Tags: map[string]string{"team": "red"},
		Policies: []string{strings.Repeat(`{"Effect":"Allow"}`, 100)}, Issued: 1, Expires: 2}
}

func TestSeal(t *testing.T) {
	one, same, other := sealer(t, 1), sealer(t, 1), sealer(t, 2)
	made, err := one.Seal(claims())
	if err != nil {
		t.Fatal(err)
	}
	got, secret, err := same.Open(made.AccessKeyID, made.Token)
	if err != nil || secret != made.Secret {
		t.Errorf("when another replica has the root key, it opens the token: %v", err)
	}
	if diff := cmp.Diff(claims(), got); diff != "" {
		t.Error(diff)
	}
	if len(made.Token) > 500 || strings.Contains(made.Token, "alice") || !strings.HasPrefix(made.AccessKeyID, "ASIA") || len(made.Secret) != 40 {
		t.Errorf("%+v", made)
	}
	if _, _, err := other.Open(made.AccessKeyID, made.Token); !errors.Is(err, ErrToken) {
		t.Errorf("when the root key is another, it is refused: %v", err)
	}
	if _, _, err := one.Open("ASIAOTHEROTHEROTHER0", made.Token); !errors.Is(err, ErrToken) {
		t.Errorf("when the access key id is another, it is refused: %v", err)
	}
	again, err := one.Seal(claims())
	if err != nil || again.AccessKeyID == made.AccessKeyID || again.Secret == made.Secret {
		t.Errorf("when sealed again, it is another session: %v", err)
	}
	if _, err := NewSealer(nil); err == nil {
		t.Error("when the root key is short, it is refused")
	}
}

// FuzzOpen: nothing that was not sealed opens.
func FuzzOpen(f *testing.F) {
	s := sealer(f, 1)
	made, err := s.Seal(claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made.AccessKeyID, made.Token)
	f.Add("ASIA", "AAAA")
	f.Fuzz(func(t *testing.T, id, token string) {
		got, secret, err := s.Open(id, token)
		if err == nil && !cmp.Equal(got, claims()) {
			t.Errorf("what was not sealed was opened: %+v", got)
		}
		if err != nil && secret != "" {
			t.Error("a secret came with an error")
		}
	})
}
