package node

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"fmt"
	"path/filepath"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate"
	"k8s.io/client-go/util/certificate/csr"
	"k8s.io/client-go/util/keyutil"
)

// signTimeout is how long one request for a certificate is waited for. In a new cluster it is signed when the controller manager runs.
const signTimeout = time.Minute

// join gets a worker's kubelet its first client certificate, once the API takes the token, and keeps it in the folder pki. It returns
// at once where the kubelet has one. The kubelet can ask for it itself, but works meanwhile, as nobody: what is refused is tried again
// later and later, and pods that come first are refused in turn ("services have not yet been read at least once"), which cost a new
// cluster 12 s at times.
func (c cluster) join(name, pki string, joinable func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if exists(c.files.kubelet) || exists(filepath.Join(pki, clientCurrent)) {
			return nil
		}
		if err := joinable(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, signTimeout)
		defer cancel()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("making the kubelet's key: %w", err)
		}
		certificate, err := c.signed(ctx, name, key)
		if err != nil {
			return err
		}
		return keep(pki, certificate, key)
	}
}

// signed asks for a client certificate with the token, as the kubelet does
// (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/).
func (c cluster) signed(ctx context.Context, name string, key crypto.Signer) (certificate []byte, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.files.kubeletBootstrap)
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	subject := pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}}
	request, err := cert.MakeCSR(key, &subject, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for the kubelet's certificate: %w", err)
	}
	usages := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth}
	asked, uid, err := csr.RequestCertificateWithContext(ctx, client, request, "", certificatesv1.KubeAPIServerClientKubeletSignerName, nil, usages, key)
	if err != nil {
		return nil, fmt.Errorf("asking for the kubelet's certificate: %w", err)
	}
	if certificate, err = csr.WaitForCertificate(ctx, client, asked, uid); err != nil {
		return nil, fmt.Errorf("waiting for the kubelet's certificate: %w", err)
	}
	return certificate, nil
}

// keep writes a certificate where the kubelet finds and renews it.
func keep(pki string, signed []byte, key *ecdsa.PrivateKey) error {
	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("keeping the kubelet's certificate: %w", err)
	}
	store, err := certificate.NewFileStore("kubelet-client", pki, pki, "", "")
	if err != nil {
		return fmt.Errorf("keeping the kubelet's certificate: %w", err)
	}
	if _, err := store.Update(signed, encoded); err != nil {
		return fmt.Errorf("keeping the kubelet's certificate: %w", err)
	}
	return nil
}
