package setup

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
)

func newSetup(t *testing.T, now *time.Time) *Setup {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &Setup{Client: fake.NewClientBuilder().WithScheme(scheme).Build(), Now: func() time.Time { return *now }}
}

func read(t *testing.T, c *Certificate) (*x509.Certificate, *corev1.Secret) {
	t.Helper()
	if err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair, err := c.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: TLSSecret}, secret); err != nil {
		t.Fatal(err)
	}
	return leaf, secret
}

func TestCertificate(t *testing.T) {
	now := time.Now()
	c := &Certificate{Setup: newSetup(t, &now), Secret: TLSSecret, Names: []string{"127.0.0.1", "naru-server.naru-system.svc"}}
	first, secret := read(t, c)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data[CAKey]) {
		t.Fatal("there is no CA")
	}
	for _, name := range c.Names {
		if _, err := first.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("when a client trusts the CA, %s is good: %v", name, err)
		}
	}
	if again, _ := read(t, c); !again.Equal(first) {
		t.Error("when nothing changes, it stays")
	}
	c.Names = append(c.Names, "naru.example")
	if more, _ := read(t, c); more.VerifyHostname("naru.example") != nil {
		t.Error("when a name is added, it gets it")
	}
	now = now.Add(leafLife - renewBefore + time.Hour)
	renewed, secret := read(t, c)
	if !renewed.NotAfter.After(first.NotAfter) {
		t.Error("when its end is near, it is renewed")
	}
	if _, err := renewed.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		t.Errorf("when it is renewed, the CA stays: %v", err)
	}
	theirs, _, key, err := sign(&x509.Certificate{NotBefore: now, NotAfter: now.Add(time.Hour)}, &x509.Certificate{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: theirs, corev1.TLSPrivateKeyKey: key}
	if err := c.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if got, after := read(t, c); got.NotAfter.After(now.Add(2*time.Hour)) || len(after.Data[caSigner]) > 0 {
		t.Error("when somebody puts another there, it is used as it is")
	}
}
