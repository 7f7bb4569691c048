// Package authenticator keeps what Naru's authenticator and the API servers of clusters know each other by: an authority
// of their own, and the authenticator's certificate. Those of API servers are among the certificates of their clusters.
package authenticator

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/apply"
)

const (
	// authorityName is in the authority's certificate.
	authorityName = "naru:authenticator"
	// authorityKey of the authenticator's Secret is the authority's certificate, which it knows API servers by.
	authorityKey = "ca.crt"
	// slow is a safety net under the events, and how late a renewal may be.
	slow = time.Hour
)

// Controller keeps two Secrets of naru-system.
type Controller struct {
	client client.Client
	// live reads past the cache: an authority that is made twice would part the API servers from the authenticator.
	live  client.Reader
	leaf  pki.Leaf
	clock clock.PassiveClock
}

// NewController returns a controller. The address is the one that API servers call the authenticator at.
func NewController(c client.Client, live client.Reader, address string, clock clock.PassiveClock) *Controller {
	leaf := pki.Leaf{CommonName: authorityName, DNSNames: []string{v1alpha1.AuthenticatorHost}, Usage: pki.Server}
	if ip := net.ParseIP(address); ip != nil {
		leaf.IPs = []net.IP{ip}
	}
	return &Controller{client: c, live: live, leaf: leaf, clock: clock}
}

// SetupWithManager adds the controller to a manager. Its first pass needs no event: nothing is there yet.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	begin := source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		queue.Add(request())
		return nil
	})
	return ctrl.NewControllerManagedBy(manager).
		Named("authenticator").
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(ofSecret)).
		WatchesRawSource(begin).
		Complete(c)
}

func request() reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.SecretAuthenticator}}
}

func ofSecret(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetName()
	if object.GetNamespace() != v1alpha1.SystemNamespace || name != v1alpha1.SecretAuthenticator && name != v1alpha1.SecretAuthenticatorCA {
		return nil
	}
	return []reconcile.Request{request()}
}

// Reconcile makes what is missing, and renews the certificate.
func (c *Controller) Reconcile(ctx context.Context, _ ctrl.Request) (reconcile.Result, error) {
	authority, err := c.authority(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	due, err := c.certificate(ctx, authority)
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: min(max(due.Sub(c.clock.Now()), time.Second), slow)}, nil
}

// authority is made once and never replaced.
func (c *Controller) authority(ctx context.Context) (pki.Material, error) {
	data, err := c.read(ctx, v1alpha1.SecretAuthenticatorCA)
	if err != nil || data != nil {
		return material(data), err
	}
	made, err := pki.NewCA(authorityName, c.clock.Now())
	if err != nil {
		return pki.Material{}, err
	}
	if err := c.client.Create(ctx, secret(v1alpha1.SecretAuthenticatorCA, made, nil)); err != nil {
		return pki.Material{}, fmt.Errorf("writing secret %s: %w", v1alpha1.SecretAuthenticatorCA, err)
	}
	return made, nil
}

// certificate keeps the authenticator's own, and says when its renewal is due.
func (c *Controller) certificate(ctx context.Context, authority pki.Material) (due time.Time, err error) {
	data, err := c.read(ctx, v1alpha1.SecretAuthenticator)
	if err != nil {
		return time.Time{}, err
	}
	why, due := pki.DecideLeaf(material(data), authority, c.leaf, c.clock.Now(), time.Time{})
	if why == "" && !bytes.Equal(data[authorityKey], authority.Certificate) {
		why = "its authority has changed"
	}
	if why == "" {
		return due, nil
	}
	made, err := pki.Issue(authority, c.leaf, c.clock.Now())
	if err != nil {
		return time.Time{}, err
	}
	if err := apply.Typed(ctx, c.client, secret(v1alpha1.SecretAuthenticator, made, authority.Certificate)); err != nil {
		return time.Time{}, err
	}
	log.FromContext(ctx).Info("made the authenticator's certificate", "why", why)
	_, due = pki.DecideLeaf(made, authority, c.leaf, c.clock.Now(), time.Time{})
	return due, nil
}

// read returns a Secret's data; nil where it does not exist.
func (c *Controller) read(ctx context.Context, name string) (map[string][]byte, error) {
	found := &corev1.Secret{}
	err := c.live.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", name, err)
	}
	return found.Data, nil
}

func material(data map[string][]byte) pki.Material {
	return pki.Material{Certificate: data[pki.CertificateKey], Key: data[pki.PrivateKey]}
}

func secret(name string, m pki.Material, authority []byte) *corev1.Secret {
	made := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: name},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{pki.CertificateKey: m.Certificate, pki.PrivateKey: m.Key},
	}
	if authority != nil {
		made.Data[authorityKey] = authority
	}
	return made
}
