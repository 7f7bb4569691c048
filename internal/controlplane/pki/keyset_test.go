package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestKeySet(t *testing.T) {
	private, public, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := KeySet(public)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(encoded, &set); err != nil || len(set.Keys) != 1 || set.Keys[0].KeyID == "" || !set.Keys[0].IsPublic() {
		t.Fatalf("%s, %v", encoded, err)
	}
	block, _ := pem.Decode(private)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := set.Keys[0].Key.(*ecdsa.PublicKey); !ok || !key.PublicKey.Equal(got) {
		t.Errorf("when tokens are signed, the set has the key that verifies them: %s", encoded)
	}
	for _, bad := range [][]byte{nil, []byte("x"), private} {
		if set, err := KeySet(bad); err == nil {
			t.Errorf("when it is no public key, it is refused: %s", set)
		}
	}
}
