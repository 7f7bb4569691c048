package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"naru.dev/naru/test/env"
)

func TestJoin(t *testing.T) {
	config := env.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := credentials{kubelet: filepath.Join(dir, "kubelet"), kubeletBootstrap: filepath.Join(dir, "bootstrap")}
	writeKubeconfig(t, config, files.kubeletBootstrap)
	ready := errors.New("not yet")
	join := cluster{files: files}.join("worker-1", dir, func(context.Context) error { return ready })
	if err := join(t.Context()); !errors.Is(err, ready) {
		t.Errorf("when the API does not take the token yet, nothing is asked for: got %v", err)
	}
	ready = nil
	asked := make(chan certificatesv1.CertificateSigningRequestSpec, 1)
	go func() { asked <- sign(t, client) }()
	if err := join(t.Context()); err != nil {
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
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, clientCurrent), filepath.Join(dir, clientCurrent))
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Leaf.Subject.String(); got != "CN=system:node:worker-1,O=system:nodes" {
		t.Errorf("the certificate is the node's: got %s", got)
	}
	if err := join(t.Context()); err != nil {
		t.Errorf("when there is a certificate, none is asked for: %v", err)
	}
}

func writeKubeconfig(t *testing.T, config *rest.Config, file string) {
	t.Helper()
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "x",
		Contexts:       map[string]*clientcmdapi.Context{"x": {Cluster: "x", AuthInfo: "x"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"x": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"x": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
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
