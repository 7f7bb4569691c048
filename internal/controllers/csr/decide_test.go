package csr

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// request is what the kubelet of machine m-1 asks for, after change.
func request(t *testing.T, change func(*x509.CertificateRequest, *certificatesv1.CertificateSigningRequest)) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	template := &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "system:node:m-1", Organization: []string{"system:nodes"}},
		DNSNames:    []string{"m-1"},
		IPAddresses: []net.IP{net.ParseIP("100.64.1.2")},
	}
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "csr-1", CreationTimestamp: metav1.NewTime(now)},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName: certificatesv1.KubeletServingSignerName,
			Username:   "system:node:m-1",
			Groups:     []string{"system:nodes", "system:authenticated"},
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth},
		},
	}
	change(template, csr)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	if csr.Spec.Request == nil {
		csr.Spec.Request = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	return csr
}

func TestDecide(t *testing.T) {
	type template = *x509.CertificateRequest
	type signing = *certificatesv1.CertificateSigningRequest
	machine := &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Name: "m-1"}, Status: v1alpha1.MachineStatus{Address: "100.64.1.2"}}
	unknown := &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Name: "m-1"}}
	deleted := machine.DeepCopy()
	deleted.DeletionTimestamp = &metav1.Time{Time: now}
	for name, c := range map[string]struct {
		change  func(template, signing)
		machine *v1alpha1.Machine
		after   time.Duration
		verdict Verdict
		message string
	}{
		"when it names exactly the machine, it is approved":                 {func(template, signing) {}, machine, 0, Approve, "this name and this address"},
		"when there is no such machine, it is denied":                       {func(template, signing) {}, nil, 0, Deny, "there is no machine m-1"},
		"when the machine is being deleted, it is denied":                   {func(template, signing) {}, deleted, 0, Deny, "being deleted"},
		"when the machine's address is not known yet, it waits":             {func(template, signing) {}, unknown, 0, Wait, "100.64.1.2"},
		"when the machine's address is still not known later, it is denied": {func(template, signing) {}, unknown, 2 * time.Minute, Deny, "100.64.1.2"},
		"when it names another host too, it is denied":                      {func(r template, _ signing) { r.DNSNames = append(r.DNSNames, "kubernetes") }, machine, 0, Deny, "kubernetes"},
		"when it names no host, it is denied":                               {func(r template, _ signing) { r.DNSNames = nil }, machine, 0, Deny, "names the hosts"},
		"when it names another address too, it is denied":                   {func(r template, _ signing) { r.IPAddresses = append(r.IPAddresses, net.ParseIP("10.96.0.1")) }, machine, 0, Deny, "10.96.0.1"},
		"when it names a URI, it is denied":                                 {func(r template, _ signing) { r.URIs = []*url.URL{{Scheme: "spiffe", Host: "x"}} }, machine, 0, Deny, "URIs"},
		"when a user sent it, it is denied":                                 {func(_ template, s signing) { s.Spec.Username = "eve" }, machine, 0, Deny, "eve is no node"},
		"when the requester is not in the group of nodes, it is denied":     {func(_ template, s signing) { s.Spec.Groups = []string{"system:authenticated"} }, machine, 0, Deny, "is no node"},
		"when another node sent it, it is denied":                           {func(_ template, s signing) { s.Spec.Username = "system:node:m-2" }, machine, 0, Deny, "there is no machine m-2"},
		"when the common name is another node's, it is denied":              {func(r template, _ signing) { r.Subject.CommonName = "system:node:m-2" }, machine, 0, Deny, "common name"},
		"when the organization is the masters', it is denied":               {func(r template, _ signing) { r.Subject.Organization = []string{"system:masters"} }, machine, 0, Deny, "organization"},
		"when it is for a client, it is denied":                             {func(_ template, s signing) { s.Spec.Usages = append(s.Spec.Usages, certificatesv1.UsageClientAuth) }, machine, 0, Deny, "client auth"},
		"when it is not for a server, it is denied":                         {func(_ template, s signing) { s.Spec.Usages = s.Spec.Usages[:1] }, machine, 0, Deny, "server auth"},
		"when it is no certificate request, it is denied":                   {func(_ template, s signing) { s.Spec.Request = []byte("x") }, machine, 0, Deny, "can't be read"},
		"when another signer is meant, it is not ours":                      {func(_ template, s signing) { s.Spec.SignerName = certificatesv1.KubeAPIServerClientKubeletSignerName }, machine, 0, Ignore, ""},
		"when it is decided already, it stays so": {func(_ template, s signing) {
			s.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateDenied}}
		}, machine, 0, Ignore, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(request(t, c.change), c.machine, now.Add(c.after))
			if got.Verdict != c.verdict || !strings.Contains(got.Message, c.message) {
				t.Errorf("got %s %q, want %s %q", got.Verdict, got.Message, c.verdict, c.message)
			}
		})
	}
}
