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
		api, err := c.byToken()
		if err != nil {
			return err
		}
		issued, key, err := clientCertificate(ctx, api, name)
		if err != nil {
			return err
		}
		return keepClientCertificate(pki, issued, key)
	}
}

// byToken is the cluster's API, for who joins.
func (c cluster) byToken() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.files.kubeletBootstrap)
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return api, nil
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
