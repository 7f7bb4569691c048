package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"naru.dev/naru/api/v1alpha1"
)

const (
	// followEvery is how often is looked whether the authorities have changed, and followRetry how long is waited after what
	// went wrong: another authority signs some time before controller managers sign with it.
	followEvery, followRetry = time.Second, 5 * time.Second
	// sayEvery is how often a node says again which authorities it follows: its Node may have been made anew.
	sayEvery = time.Minute
	// renewPatience is how long a certificate may take to be signed.
	renewPatience = 30 * time.Second
)

// authorities has a worker follow those that its cluster trusts, as the file with them says, the one that signs first: its
// processes start with them, the kubelet has its certificates of that one, and the Node says so once it was seen.
//
//	file changes ──► kubelet's client certificate renewed ──► its serving certificate dropped ──► kubelet starts again, and
//	asks for another ──► all processes have read what is there ──► the Node says so
//
// Containers run on while a kubelet starts.
type authorities struct {
	node  string
	files credentials
	// current tells whether a process is ready that has read what its files hold.
	current func(process string) bool
	log     *slog.Logger

	said   string
	saidAt time.Time
}

// notesAuthorities is awaited before the kubelet starts: it starts with the authorities that are there then.
func notesAuthorities(file string, then func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if then != nil {
			if err := then(ctx); err != nil {
				return err
			}
		}
		if exists(kubeletFollows) {
			return nil
		}
		trusted, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the cluster's authorities: %w", err)
		}
		return note(v1alpha1.AuthoritiesFingerprint(trusted))
	}
}

// note writes which authorities the kubelet follows. What comes after the fingerprint is another each time, so that the
// kubelet starts again.
func note(fingerprint string) error {
	if err := os.MkdirAll(filepath.Dir(kubeletFollows), 0o755); err != nil {
		return fmt.Errorf("noting the authorities: %w", err)
	}
	next := kubeletFollows + ".next"
	if err := os.WriteFile(next, []byte(fingerprint+" "+rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("noting the authorities: %w", err)
	}
	if err := os.Rename(next, kubeletFollows); err != nil {
		return fmt.Errorf("noting the authorities: %w", err)
	}
	return nil
}

func (a *authorities) follow(ctx context.Context) {
	var last string
	for {
		pause := followEvery
		if err := a.step(ctx); err != nil && ctx.Err() == nil {
			pause = followRetry
			if last != err.Error() {
				last = err.Error()
				a.log.Warn("the cluster's authorities are not followed yet", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (a *authorities) step(ctx context.Context) error {
	if !exists(a.files.kubelet) || !exists(kubeletCertificate) {
		return nil // it has not joined yet, and will join with what is there
	}
	trusted, err := os.ReadFile(a.files.clientCA)
	if err != nil {
		return fmt.Errorf("reading the cluster's authorities: %w", err)
	}
	signer, err := leading(trusted)
	if err != nil {
		return fmt.Errorf("reading the cluster's authorities: %w", err)
	}
	renewed, err := a.renew(ctx, signer)
	if err != nil {
		return err
	}
	fingerprint := v1alpha1.AuthoritiesFingerprint(trusted)
	noted, err := os.ReadFile(kubeletFollows)
	if err != nil {
		return fmt.Errorf("reading which authorities the kubelet follows: %w", err)
	}
	if renewed || !strings.HasPrefix(string(noted), fingerprint+" ") {
		a.log.Info("kubelet follows other authorities", "first", signer.Subject.CommonName, "certificatesRenewed", renewed)
		return note(fingerprint)
	}
	if !a.follows(trusted, signer) {
		return nil
	}
	return a.say(ctx, fingerprint)
}

// renew sees to it that the kubelet's certificates are of the authority that signs. It returns true where the running kubelet
// has another one.
func (a *authorities) renew(ctx context.Context, signer *x509.Certificate) (bool, error) {
	renewed := !signedBy(kubeletCertificate, signer)
	if renewed || lent(kubeletCertificate) {
		if err := a.request(ctx, signer); err != nil {
			return false, err
		}
	}
	if exists(kubeletServing) && !signedBy(kubeletServing, signer) {
		// A kubelet that starts without one asks for one.
		if err := os.Remove(kubeletServing); err != nil {
			return false, fmt.Errorf("dropping the kubelet's serving certificate: %w", err)
		}
		renewed = true
	}
	return renewed, nil
}

// request asks for another client certificate, as the kubelet does when its own is about to end.
func (a *authorities) request(ctx context.Context, signer *x509.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	api, err := a.api()
	if err != nil {
		return err
	}
	issued, key, err := clientCertificate(ctx, api, a.node)
	if err != nil {
		return err
	}
	if own, err := leading(issued); err != nil || own.CheckSignatureFrom(signer) != nil {
		return errors.New("controller managers do not sign with " + signer.Subject.CommonName + " yet")
	}
	return keepClientCertificate(kubeletPKI, issued, key)
}

// api is the cluster's, for the kubelet's own user.
func (a *authorities) api() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", a.files.kubelet)
	if err != nil {
		return nil, fmt.Errorf("reading the kubelet's kubeconfig: %w", err)
	}
	config.Timeout = renewPatience
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return api, nil
}

// follows tells whether every process has started with these authorities, and has its certificates of the one that signs.
func (a *authorities) follows(trusted []byte, signer *x509.Certificate) bool {
	for _, kubeconfig := range []string{a.files.kubeProxy, a.files.agent} {
		config, err := clientcmd.LoadFromFile(kubeconfig)
		if err != nil {
			return false
		}
		for _, cluster := range config.Clusters {
			if !bytes.Equal(cluster.CertificateAuthorityData, trusted) {
				return false
			}
		}
	}
	for _, process := range []string{"kubelet", "kube-proxy", "agent", konnectivityAgent} {
		if !a.current(process) {
			return false
		}
	}
	return signedBy(kubeletServing, signer)
}

// say writes onto the Node which authorities it follows.
func (a *authorities) say(ctx context.Context, fingerprint string) error {
	if a.said == fingerprint && time.Since(a.saidAt) < sayEvery {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	api, err := a.api()
	if err != nil {
		return err
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationFollows, fingerprint)
	if _, err := api.CoreV1().Nodes().Patch(ctx, a.node, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("writing which authorities the node follows: %w", err)
	}
	a.said, a.saidAt = fingerprint, time.Now()
	return nil
}

// lent tells whether the certificate in a file is the one that the machine was given to join with: that is good for an hour, those
// that controller managers sign for a year. The kubelet that runs with it asks for another in time, but a node that stands still
// meanwhile could not come back.
func lent(path string) bool {
	own, err := certificateIn(path)
	return err == nil && own.NotAfter.Sub(own.NotBefore) < 24*time.Hour
}

// signedBy tells whether the certificate in a file is an authority's.
func signedBy(path string, authority *x509.Certificate) bool {
	own, err := certificateIn(path)
	return err == nil && own.CheckSignatureFrom(authority) == nil
}

func certificateIn(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return leading(data)
}

// leading reads the first certificate of a PEM file, which may hold a key, too.
func leading(data []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("there is no certificate")
}
