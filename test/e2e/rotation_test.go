//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
)

// rotationPatience is how long a step of a rotation may take: every server is replaced, one after another.
const rotationPatience = 5 * time.Minute

// rotation is what the scenario knows of the cluster's authorities.
type rotation struct {
	aws awsClients
	// stop ends the controller, which is started again, at the beginning of each step.
	stop    func()
	first   string
	second  string
	trusted *x509.Certificate
}

// testRotation rotates the highly available cluster's certificate authority by the EKS API.
func testRotation(t *testing.T, w *world) {
	c := w.ha(t)
	w.awaitReady(t, haCluster)
	eventually(t, "nodes", 2*time.Minute, c.wantNodes(2))
	nodes, err := c.readyNodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &rotation{aws: newAWS(t), stop: func() {
		w.kubectlHosting(t, "-n", v1alpha1.SystemNamespace, "delete", "pod", "-l", "app=naru-controller", "--wait=false")
	}}
	t.Run("when a second authority comes to sign, no request fails of a client that knows the first alone", func(t *testing.T) {
		undisturbed(t, c, func() { r.create(t, c); r.activate(t, c) })
	})
	both := w.connectAnew(t)
	if n := bytes.Count(both.config.CAData, []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Errorf("when two are trusted, naru kubeconfig has %d", n)
	}
	t.Run("when the first is deleted, no request fails of a client that knows both", func(t *testing.T) {
		undisturbed(t, both, func() { r.delete(t) })
	})
	t.Run("when the first is gone, the second alone is trusted", func(t *testing.T) { r.testGone(t, c, both) })
	t.Run("when authorities were rotated, the nodes are the same, and logs and exec still come", func(t *testing.T) {
		fresh := w.connectAnew(t)
		if now, err := fresh.readyNodes(t.Context()); err != nil || !slices.Equal(slices.Sorted(slices.Values(now)), slices.Sorted(slices.Values(nodes))) {
			t.Errorf("the nodes were %v, and are %v, %v", nodes, now, err)
		}
		create(t, fresh, pod("rotated", w.image(t, "busybox"), forever()...))
		awaitPods(t, fresh, "rotated")
		if said, err := w.shell(t.Context(), fresh, "rotated", "hostname"); err != nil || strings.TrimSpace(said) != "rotated" {
			t.Errorf("got %q, %v", said, err)
		}
		w.kubectl(t, fresh, "delete", "pod", "rotated", "--wait=false")
	})
}

// connectAnew reads the highly available cluster's kubeconfig again, for what comes after, too.
func (w *world) connectAnew(t *testing.T) *cluster {
	t.Helper()
	w.forget(t, haCluster)
	return w.ha(t)
}

// create makes a second authority and waits until everything trusts it.
func (r *rotation) create(t *testing.T, c *cluster) {
	name := aws.String(haCluster)
	list, err := r.aws.eks.ListCertificateAuthorities(t.Context(), &eks.ListCertificateAuthoritiesInput{ClusterName: name})
	if err != nil || len(list.CertificateAuthorities) != 1 {
		t.Fatalf("the cluster has one authority: %+v, %v", list, err)
	}
	r.first = *list.CertificateAuthorities[0].Id
	made, err := r.aws.eks.CreateCertificateAuthority(t.Context(), &eks.CreateCertificateAuthorityInput{ClusterName: name})
	if err != nil {
		t.Fatal(err)
	}
	r.second = *made.CertificateAuthority.Id
	r.stop()
	_, err = r.aws.eks.ActivateCertificateAuthority(t.Context(), &eks.ActivateCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: &r.second})
	if early := (*types.InvalidRequestException)(nil); !errors.As(err, &early) {
		t.Errorf("when it is not distributed, it can't be activated: %v", err)
	}
	r.await(t, r.second, func(ca *types.CertificateAuthority) bool {
		return ca.DistributionStatus == types.CertificateAuthorityDistributionStatusComplete
	})
	for range 12 {
		if shown, err := shown(c.config); err != nil || r.trusted.CheckSignature(shown[0].SignatureAlgorithm, shown[0].RawTBSCertificate, shown[0].Signature) == nil {
			t.Fatalf("before it is active, it has signed no server's certificate: %v", err)
		}
	}
}

// activate has the second one sign and waits until everything has its certificate of it.
func (r *rotation) activate(t *testing.T, c *cluster) {
	name := aws.String(haCluster)
	_, err := r.aws.eks.ActivateCertificateAuthority(t.Context(), &eks.ActivateCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: &r.second})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	_, err = r.aws.eks.DeleteCertificateAuthority(t.Context(), &eks.DeleteCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: &r.first})
	if inUse := (*types.ResourceInUseException)(nil); !errors.As(err, &inUse) {
		t.Errorf("when the first is in use, it can't be deleted: %v", err)
	}
	r.await(t, r.second, func(ca *types.CertificateAuthority) bool {
		return ca.SigningStatus == types.CertificateAuthoritySigningStatusInUse
	})
	// Each connection comes to another server.
	for range 12 {
		shown, err := shown(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := shown[0].CheckSignatureFrom(r.trusted); err != nil {
			t.Fatalf("when it is in use, every server shows a certificate of it: %s, %v", shown[0].Issuer.CommonName, err)
		}
	}
}

// delete takes the first one away and waits until nothing trusts it.
func (r *rotation) delete(t *testing.T) {
	_, err := r.aws.eks.DeleteCertificateAuthority(t.Context(), &eks.DeleteCertificateAuthorityInput{ClusterName: aws.String(haCluster), CertificateAuthorityId: &r.first})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	eventually(t, "the first authority to go", rotationPatience, func(ctx context.Context) error {
		list, err := r.aws.eks.ListCertificateAuthorities(ctx, &eks.ListCertificateAuthoritiesInput{ClusterName: aws.String(haCluster)})
		if err == nil && (len(list.CertificateAuthorities) != 1 || *list.CertificateAuthorities[0].Id != r.second) {
			err = fmt.Errorf("there are %+v", list.CertificateAuthorities)
		}
		return err
	})
}

// await waits for an authority's status, and learns its certificate.
func (r *rotation) await(t *testing.T, id string, wanted func(*types.CertificateAuthority) bool) {
	t.Helper()
	eventually(t, "authority "+id, rotationPatience, func(ctx context.Context) error {
		out, err := r.aws.eks.DescribeCertificateAuthority(ctx, &eks.DescribeCertificateAuthorityInput{ClusterName: aws.String(haCluster), CertificateAuthorityId: &id})
		if err != nil {
			return err
		}
		if ca := out.CertificateAuthority; !wanted(ca) {
			return fmt.Errorf("it is %s, and its distribution %s", ca.SigningStatus, ca.DistributionStatus)
		}
		content, err := base64.StdEncoding.DecodeString(*out.CertificateAuthority.Data)
		if err == nil {
			r.trusted, err = pki.Parse(content)
		}
		return err
	})
}

// testGone looks at who is let in with what once the first authority is gone.
func (r *rotation) testGone(t *testing.T, old, both *cluster) {
	described, err := r.aws.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(haCluster)})
	if err != nil || *described.Cluster.CertificateAuthority.Active.Id != r.second {
		t.Fatalf("the cluster names the second: %+v, %v", described, err)
	}
	second, err := base64.StdEncoding.DecodeString(*described.Cluster.CertificateAuthority.Data)
	if err != nil || strings.Count(string(second), "BEGIN CERTIFICATE") != 1 {
		t.Fatalf("clients are told of the second alone: %s, %v", second, err)
	}
	try := func(identity *rest.Config, trusted []byte) error {
		config := rest.CopyConfig(identity)
		config.CAData = trusted
		kube, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		_, err = kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := try(both.config, second); err != nil {
		t.Errorf("when a client trusts the second alone, it works: %v", err)
	}
	if err := try(both.config, both.config.CAData); err != nil {
		t.Errorf("when a client still trusts both, it works: %v", err)
	}
	if err := try(old.config, second); !apierrors.IsUnauthorized(err) {
		t.Errorf("when a client's certificate is of the first, it is refused: %v", err)
	}
	unknown := x509.UnknownAuthorityError{}
	if err := try(both.config, old.config.CAData); !errors.As(err, &unknown) {
		t.Errorf("when a client trusts the first alone, it believes no server: %v", err)
	}
}

// shown are the certificates that one of a cluster's API servers shows.
func shown(config *rest.Config) ([]*x509.Certificate, error) {
	at, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	// Which certificates are shown is the question, not whether they are good ones.
	conn, err := tls.Dial("tcp", at.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates, nil
}
