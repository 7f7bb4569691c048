package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"

	"naru.dev/naru/test/env"
)

func TestJoin(t *testing.T) {
	config := env.Start(t)
	dir := t.TempDir()
	files := credentials{clientCA: filepath.Join(dir, "ca"), kubeletBootstrap: filepath.Join(dir, "bootstrap")}
	if err := os.WriteFile(files.clientCA, config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	join := cluster{server: strings.TrimSuffix(config.Host, "/"), files: files}.join(dir)
	stranger, key := selfSigned(t, "worker-1", time.Hour)
	writeKubeconfig(t, files.kubeletBootstrap, stranger, key)
	if join(t.Context()) == nil {
		t.Error("when the API does not take the certificate, it is awaited")
	}
	writeKubeconfig(t, files.kubeletBootstrap, config.CertData, config.KeyData)
	if err := join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kept(t, dir); got != string(config.CertData) {
		t.Errorf("when the API takes the certificate, the kubelet is given it: got %s", got)
	}
	writeKubeconfig(t, files.kubeletBootstrap, nil, nil)
	if err := join(t.Context()); err != nil {
		t.Errorf("when there is a certificate, none is needed: %v", err)
	}
	ended, key := selfSigned(t, "worker-1", -time.Minute)
	if err := keepClientCertificate(dir, ended, key); err != nil {
		t.Fatal(err)
	}
	if join(t.Context()) == nil {
		t.Error("when it has come to its end, another is awaited")
	}
	writeKubeconfig(t, files.kubeletBootstrap, config.CertData, config.KeyData)
	if err := join(t.Context()); err != nil || kept(t, dir) != string(config.CertData) {
		t.Errorf("when there is another, it is taken: %v", err)
	}
}

// kept is the certificate in a kubelet's folder.
func kept(t *testing.T, dir string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, clientCurrent))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	return string(pem.EncodeToMemory(block))
}

func TestClientCertificate(t *testing.T) {
	client, err := kubernetes.NewForConfig(env.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan certificatesv1.CertificateSigningRequestSpec, 1)
	go func() { asked <- sign(t, client) }()
	issued, key, err := clientCertificate(t.Context(), client, "worker-1")
	if err != nil {
		t.Fatal(err)
	}
	request := <-asked
	if request.SignerName != certificatesv1.KubeAPIServerClientKubeletSignerName {
		t.Errorf("the kubelet's signer is asked: got %s", request.SignerName)
	}
	want := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth}
	if diff := cmp.Diff(want, request.Usages); diff != "" {
		t.Errorf("usages (-want +got):\n%s", diff)
	}
	pair, err := tls.X509KeyPair(issued, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Leaf.Subject.String(); got != "CN=system:node:worker-1,O=system:nodes" {
		t.Errorf("the certificate is the node's: got %s", got)
	}
}

func selfSigned(t *testing.T, name string, life time.Duration) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = keyutil.MarshalPrivateKeyToPEM(private); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), key
}

func writeKubeconfig(t *testing.T, file string, certificate, key []byte) {
	t.Helper()
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"x": {ClientCertificateData: certificate, ClientKeyData: key}},
	}, file)
	if err != nil {
		t.Fatal(err)
	}
}

// sign does what the controller manager does: it approves the first request that comes and signs it.
func sign(t *testing.T, client kubernetes.Interface) certificatesv1.CertificateSigningRequestSpec {
	requests := client.CertificatesV1().CertificateSigningRequests()
	come, err := requests.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Error(err)
		return certificatesv1.CertificateSigningRequestSpec{}
	}
	defer come.Stop()
	request, _ := (<-come.ResultChan()).Object.(*certificatesv1.CertificateSigningRequest)
	request.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{
		{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Test"}}
	approved, err := requests.UpdateApproval(t.Context(), request.Name, request, metav1.UpdateOptions{})
	if err != nil {
		t.Error(err)
		return request.Spec
	}
	if approved.Status.Certificate, err = certificateFor(request.Spec.Request); err == nil {
		_, err = requests.UpdateStatus(t.Context(), approved, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Error(err)
	}
	return request.Spec
}

func certificateFor(request []byte) ([]byte, error) {
	block, _ := pem.Decode(request)
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: asked.Subject, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, asked.PublicKey, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), err
}
