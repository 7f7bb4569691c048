package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

type signed struct {
	pem []byte
	own *x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate, self-signed where by is nil.
func issue(t *testing.T, name string, by *signed) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: by == nil, BasicConstraintsValid: true}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.own, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), own, key}
}

func TestFollowsAuthorities(t *testing.T) {
	dir := t.TempDir()
	first, second := issue(t, "first", nil), issue(t, "second", nil)
	path := filepath.Join(dir, "leaf.pem")
	// Kubelets keep the key in the same file, before or after.
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("secret")})
	if err := os.WriteFile(path, append(key, issue(t, "kubelet", &second).pem...), 0o600); err != nil {
		t.Fatal(err)
	}
	if signedBy(path, first.own) || !signedBy(path, second.own) || signedBy(filepath.Join(dir, "none"), second.own) {
		t.Error("when a certificate is of an authority, it is of no other")
	}
	if own, err := leading(append(second.pem, first.pem...)); err != nil || own.Subject.CommonName != "second" {
		t.Errorf("when several are trusted, the first one signs: %v", err)
	}
	if _, err := leading([]byte("nothing")); err == nil {
		t.Error("when there is none, that is said")
	}

	kubeconfig := func(name string, trusted []byte) string {
		config := clientcmdapi.NewConfig()
		config.Clusters["c"] = &clientcmdapi.Cluster{CertificateAuthorityData: trusted}
		path := filepath.Join(dir, name)
		if err := clientcmd.WriteToFile(*config, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := append(second.pem, first.pem...)
	tests := map[string]struct {
		proxy   []byte
		current func(string) bool
	}{
		"when a kubeconfig has not come, the node does not follow": {first.pem, func(string) bool { return true }},
		"when a process has not read it, the node does not follow": {both, func(name string) bool { return name != "kube-proxy" }},
		"when there is no serving certificate, it does not follow": {both, func(string) bool { return true }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := &authorities{files: credentials{kubeProxy: kubeconfig("proxy", tc.proxy), agent: kubeconfig("agent", both)}, current: tc.current}
			if a.follows(both, second.own) {
				t.Error("it says that it does")
			}
		})
	}
}
