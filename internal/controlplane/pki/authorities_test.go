package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStep(t *testing.T) {
	of := func(signing int32, trusted ...int32) Authorities {
		return Authorities{Trusted: trusted, Signing: signing}
	}
	tests := map[string]struct {
		now, wanted Authorities
		followed    bool
		want        Authorities
	}{
		"when there is none, it begins with what is wanted":                           {Authorities{}, of(1, 1), false, of(1, 1)},
		"when nothing else is wanted, it stays":                                       {of(1, 1), of(1, 1), true, of(1, 1)},
		"when another is to be trusted, it is at once":                                {of(1, 1), of(1, 1, 2), false, of(1, 1, 2)},
		"when another is to sign that not everything trusts, it waits":                {of(1, 1, 2), of(2, 1, 2), false, of(1, 1, 2)},
		"when everything trusts it, it signs":                                         {of(1, 1, 2), of(2, 1, 2), true, of(2, 1, 2)},
		"when the old one is to go before everything has new certificates, it waits":  {of(2, 1, 2), of(2, 2), false, of(2, 1, 2)},
		"when everything has new certificates, the old one goes":                      {of(2, 1, 2), of(2, 2), true, of(2, 2)},
		"when all is asked for at once, the first step is to trust":                   {of(1, 1), of(2, 2), true, of(1, 1, 2)},
		"when all is asked for at once, the second is to sign":                        {of(1, 1, 2), of(2, 2), true, of(2, 1, 2)},
		"when the old one is wanted again, it signs again":                            {of(2, 1, 2), of(1, 1, 2), true, of(1, 1, 2)},
		"when it is thought better of before the new one signs, the new one goes":     {of(1, 1, 2), of(1, 1), true, of(1, 1)},
		"when it is thought better of before that is seen, the new one stays a while": {of(1, 1, 2), of(1, 1), false, of(1, 1, 2)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.now.Step(tc.wanted, tc.followed); !got.Equal(tc.want) || got.Signing != tc.want.Signing {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// world follows a rotation of a whole layout.
type rotation struct {
	l    Layout
	have Secrets
	now  time.Time
}

func (r *rotation) to(t *testing.T, signing int32, trusted ...int32) []string {
	t.Helper()
	r.now = r.now.Add(time.Hour)
	r.l.Trusted = Authorities{Trusted: trusted, Signing: signing}
	made := carryOut(t, r.l, r.have, r.now)
	// What follows from another authority is planned once that is there.
	made = append(made, carryOut(t, r.l, r.have, r.now)...)
	if again := carryOut(t, r.l, r.have, r.now); len(again) != 0 {
		t.Fatalf("made again: %v", again)
	}
	return made
}

// accepts tells whether a client that trusts authorities accepts a server that shows a certificate and what is with it.
func (r *rotation) accepts(authorities, shown []byte) error {
	roots, with := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	own, err := Parse(shown)
	if err != nil {
		return err
	}
	_, rest := pem.Decode(shown)
	with.AppendCertsFromPEM(rest)
	_, err = own.Verify(x509.VerifyOptions{Roots: roots, Intermediates: with, CurrentTime: r.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

func TestRotation(t *testing.T) {
	r := &rotation{l: layout(t), have: Secrets{}, now: start}
	r.to(t, 1, 1)
	old := bytes.Clone(r.have.Material(CA).Certificate)
	serving, admin := r.have.Material("apiserver").Certificate, r.have["kubeconfig-admin"][KubeconfigKey]

	made := r.to(t, 1, 1, 2)
	both := r.have.Material(CA).Certificate
	if !bytes.HasPrefix(both, old) || bytes.Count(both, []byte("BEGIN CERTIFICATE")) != 2 {
		t.Errorf("when a second is trusted, clients get both, the one that signs first: %s", both)
	}
	if slices.Contains(made, "apiserver") || !bytes.Equal(serving, r.have.Material("apiserver").Certificate) {
		t.Errorf("when a second is trusted, servers keep their certificates: %v", made)
	}
	if _, ca, _ := Identity(r.have["kubeconfig-admin"][KubeconfigKey]); !bytes.Equal(ca, both) || bytes.Equal(admin, r.have["kubeconfig-admin"][KubeconfigKey]) {
		t.Error("when a second is trusted, kubeconfigs say so")
	}

	made = r.to(t, 2, 1, 2)
	second := r.have.Material(AuthorityName(2)).Certificate
	if own := r.have[CA][SigningKey]; !bytes.Equal(own, second) || bytes.Count(own, []byte("BEGIN")) != 1 {
		t.Error("when the second signs, controller managers get it alone")
	}
	if Sorted(both) == nil || !bytes.Equal(Sorted(both), Sorted(r.have.Material(CA).Certificate)) {
		t.Error("when the second signs, the same are trusted")
	}
	serving = r.have.Material("apiserver").Certificate
	for what, authorities := range map[string][]byte{"has only heard of the first": old, "trusts both": both, "has only heard of the second": second} {
		if err := r.accepts(authorities, serving); err != nil {
			t.Errorf("when the second signs, a client that %s accepts servers: %v", what, err)
		}
	}
	if _, _, identity := Identity(r.have["kubeconfig-admin"][KubeconfigKey]); r.accepts(second, identity.Certificate) != nil || r.accepts(old, identity.Certificate) == nil {
		t.Error("when the second signs, users have certificates of it")
	}
	if slices.ContainsFunc(made, func(name string) bool { return strings.HasPrefix(name, "etcd") }) {
		t.Errorf("when the second signs, etcd has nothing to do with it: %v", made)
	}

	r.to(t, 2, 2)
	serving = r.have.Material("apiserver").Certificate
	if err := r.accepts(second, serving); err != nil || r.accepts(old, serving) == nil {
		t.Errorf("when the first is gone, servers are accepted by who trusts the second, and nobody else: %v", err)
	}
	if !bytes.Equal(r.have.Material(CA).Certificate, second) || r.have[CA][ChainKey] != nil {
		t.Error("when the first is gone, it is trusted by nobody")
	}
}

func TestAuthorityOfBefore(t *testing.T) {
	r := &rotation{l: layout(t), have: Secrets{}, now: start}
	r.to(t, 1, 1)
	before := r.have.Material(CA)
	// As a Naru that knew no generations has left it.
	delete(r.have, AuthorityName(1))
	r.have[CA] = map[string][]byte{CertificateKey: before.Certificate, PrivateKey: before.Key}
	made := r.to(t, 1, 1)
	if kept := r.have.Material(AuthorityName(1)); !bytes.Equal(kept.Certificate, before.Certificate) || !bytes.Equal(kept.Key, before.Key) {
		t.Error("when a cluster has one authority of before, it is the first generation")
	}
	if !slices.Equal(made, []string{"ca", "ca-1"}) {
		t.Errorf("when a cluster has one authority of before, nothing else is made: %v", made)
	}
}
