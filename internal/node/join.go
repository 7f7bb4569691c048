package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"fmt"
	"path/filepath"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate"
	"k8s.io/client-go/util/certificate/csr"
	"k8s.io/client-go/util/keyutil"
)

// join gives a worker's kubelet the client certificate that the machine was given, once the API takes it, in the folder pki. It returns
// at once where the kubelet has one that is good. A kubelet that starts without works meanwhile, as nobody: what is refused is tried
// again later and later, and pods that come first are refused in turn ("services have not yet been read at least once"), which cost a
// new cluster 12 s at times.
func (c cluster) join(pki string) func(context.Context) error {
	admitted := c.allowed(c.files.kubeletBootstrap, versions)
	return func(ctx context.Context) error {
		if good(filepath.Join(pki, clientCurrent)) {
			return nil
		}
		if err := admitted(ctx); err != nil {
			return err
		}
		certificate, key, err := identityIn(c.files.kubeletBootstrap)
		if err != nil {
			return err
		}
		return keepClientCertificate(pki, certificate, key)
	}
}

// good tells whether the certificate in a file has not ended.
func good(path string) bool {
	own, err := certificateIn(path)
	return err == nil && time.Now().Before(own.NotAfter)
}

// clientCertificate asks for a client certificate of a node's kubelet, as the kubelet does
// (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/), and waits until it is signed. Both are PEM.
func clientCertificate(ctx context.Context, api kubernetes.Interface, node string) (issued, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key: %w", err)
	}
	if key, err = keyutil.MarshalPrivateKeyToPEM(private); err != nil {
		return nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	subject := &pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}}
	template, err := cert.MakeCSR(private, subject, nil, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing request: %w", err)
	}
	usages := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth}
	name, uid, err := csr.RequestCertificateWithContext(ctx, api, template, "", certificatesv1.KubeAPIServerClientKubeletSignerName, nil, usages, private)
	if err != nil {
		return nil, nil, fmt.Errorf("asking for a client certificate: %w", err)
	}
	if issued, err = csr.WaitForCertificate(ctx, api, name, uid); err != nil {
		return nil, nil, fmt.Errorf("waiting for a client certificate: %w", err)
	}
	return issued, key, nil
}

// keepClientCertificate writes a certificate and its key where the kubelet finds and renews them.
func keepClientCertificate(pki string, issued, key []byte) error {
	store, err := certificate.NewFileStore("kubelet-client", pki, pki, "", "")
	if err != nil {
		return fmt.Errorf("opening the kubelet's certificates: %w", err)
	}
	if _, err := store.Update(issued, key); err != nil {
		return fmt.Errorf("writing the kubelet's client certificate: %w", err)
	}
	return nil
}
