package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/podroles"
)

// pki makes and renews the cluster's certificates and kubeconfigs.
func (c *Controller) pki(ctx context.Context, s *scope) (next, error) {
	layout, err := pki.NewLayout(pki.Input{
		Cluster: s.cluster.Name, Namespace: s.render.Namespace, FrontAddress: s.render.FrontAddress,
		ServiceCIDR: s.render.ServiceCIDR, Port: s.render.Port,
	})
	if err != nil {
		return fail(s, v1alpha1.ClusterPKIReady, err)
	}
	asked, ignored := renewalAsked(s.cluster)
	layout.Asked = asked
	have, due, err := c.secrets(ctx, s, layout)
	var waiting *waitingError
	if errors.As(err, &waiting) {
		conditions.False(s.cluster, v1alpha1.ClusterPKIReady, v1alpha1.ReasonWaiting, waiting.Error())
		return next{stop: true, after: soon}, nil
	}
	if err != nil {
		return fail(s, v1alpha1.ClusterPKIReady, err)
	}
	if err := s.keep(have); err != nil {
		return fail(s, v1alpha1.ClusterPKIReady, err)
	}
	s.rotate(have, c.clock.Now())
	if err := s.issue(have, c.settings.ServerURL); err != nil {
		return fail(s, v1alpha1.ClusterPKIReady, err)
	}
	conditions.True(s.cluster, v1alpha1.ClusterPKIReady, v1alpha1.ReasonReady, "certificates are good until "+due.UTC().Format(time.DateOnly)+ignored)
	return next{after: due.Sub(c.clock.Now())}, nil
}

// renewalAsked is when a cluster's certificates are to be renewed; zero: nobody asks for it. An annotation that is no time
// is ignored, and it is said: the admission policy lets none in, and a cluster must not stand still for one.
func renewalAsked(cluster *v1alpha1.Cluster) (at time.Time, ignored string) {
	text := cluster.Annotations[v1alpha1.AnnotationRenewCertificates]
	if text == "" {
		return time.Time{}, ""
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Sprintf("; annotation %s: %q is no time, as 2026-11-24T12:00:00Z, and is ignored",
			v1alpha1.AnnotationRenewCertificates, text)
	}
	return at, ""
}

// secrets returns the content of all of a cluster's Secrets, after it has made what was missing.
func (c *Controller) secrets(ctx context.Context, s *scope, layout pki.Layout) (pki.Secrets, time.Time, error) {
	have, err := readSecrets(ctx, c.client, s.render.Namespace)
	if err != nil {
		return nil, time.Time{}, err
	}
	now := c.clock.Now()
	layout.Trusted = s.nextAuthorities(have)
	steps, due := layout.Plan(have, now)
	if len(steps) == 0 {
		return have, due, nil
	}
	// What the cache lacks may exist: an authority that is made twice would part a cluster from its nodes.
	if have, err = readSecrets(ctx, c.live, s.render.Namespace); err != nil {
		return nil, time.Time{}, err
	}
	layout.Trusted = s.nextAuthorities(have)
	if err := c.make(ctx, s, layout, have); err != nil {
		return nil, time.Time{}, err
	}
	_, due = layout.Plan(have, now)
	return have, due, nil
}

// planRounds is how often is looked for what follows from what was just made: certificates of another authority.
const planRounds = 3

// make writes the Secrets that a layout lacks, and adds them to have.
func (c *Controller) make(ctx context.Context, s *scope, layout pki.Layout, have pki.Secrets) error {
	now := c.clock.Now()
	for range planRounds {
		steps, _ := layout.Plan(have, now)
		if len(steps) == 0 {
			return nil
		}
		log.FromContext(ctx).Info("makes certificates", "secrets", len(steps), "first", steps[0].Name, "why", steps[0].Why)
		if err := c.carryOut(ctx, s, steps, have); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) carryOut(ctx context.Context, s *scope, steps []pki.Step, have pki.Secrets) error {
	now := c.clock.Now()
	for _, step := range steps {
		data, err := step.Make(have, now)
		if err != nil {
			return err
		}
		if err := c.writeSecret(ctx, s, step, data); err != nil {
			return err
		}
		have[step.Name] = data
	}
	return nil
}

// waitingError says that Naru's own authority is not there yet: another controller makes it when it starts.
type waitingError struct{}

func (*waitingError) Error() string {
	return "Secret " + v1alpha1.SecretAuthenticatorCA + " is not there yet"
}

// readSecrets returns a cluster's Secrets, and Naru's authority for the authenticator. Errors: *waitingError.
func readSecrets(ctx context.Context, reader client.Reader, namespace string) (pki.Secrets, error) {
	authority := &corev1.Secret{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.SecretAuthenticatorCA}, authority)
	if apierrors.IsNotFound(err) {
		return nil, &waitingError{}
	} else if err != nil {
		return nil, fmt.Errorf("reading the authenticator's authority: %w", err)
	}
	list := &corev1.SecretList{}
	if err := reader.List(ctx, list, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelCluster}); err != nil {
		return nil, fmt.Errorf("listing the cluster's secrets: %w", err)
	}
	have := pki.Secrets{pki.AuthenticatorCA: authority.Data}
	for i := range list.Items {
		have[list.Items[i].Name] = list.Items[i].Data
	}
	return have, nil
}

func (c *Controller) writeSecret(ctx context.Context, s *scope, step pki.Step, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.render.Namespace, Name: step.Name,
			Labels: map[string]string{v1alpha1.LabelCluster: s.cluster.Name, v1alpha1.LabelComponent: "pki"},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
	if step.TLS {
		secret.Type = corev1.SecretTypeTLS
	}
	if !step.Permanent {
		return apply.Typed(ctx, c.client, secret)
	}
	if err := c.client.Create(ctx, secret); apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("secret %s/%s exists without the label %s: delete it, or the namespace, if nothing uses it",
			secret.Namespace, secret.Name, v1alpha1.LabelCluster)
	} else if err != nil {
		return fmt.Errorf("writing secret %s: %w", secret.Name, err)
	}
	return nil
}

// keep adds to the scope what later phases use of the Secrets.
func (s *scope) keep(have pki.Secrets) error {
	for name, data := range have {
		content, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("hashing secret %s: %w", name, err)
		}
		s.render.Hashes[name] = component.ContentHash(content)
	}
	for _, name := range []string{pki.ControllerEtcdClient, pki.MetricsServer} {
		s.leaves[name] = have.Material(name)
	}
	for _, name := range []string{pki.CA, pki.EtcdCA} {
		s.authorities[name] = have.Material(name)
	}
	s.render.AuthenticatorCA = string(have.Material(pki.AuthenticatorCA).Certificate)
	trusted := s.authorities[pki.CA].Certificate
	s.render.Hashes[pki.Trust] = component.ContentHash(pki.Sorted(trusted))
	s.cluster.Status.Endpoint.CertificateAuthority = trusted
	return nil
}

// issue notes who the cluster's service account tokens are from. An issuer that the cluster has stays: roles trust it by its
// URL.
func (s *scope) issue(have pki.Secrets, server string) error {
	keys, err := pki.KeySet(have[pki.ServiceAccount][pki.PublicKey])
	if err != nil {
		return err
	}
	issuer := &s.cluster.Status.Issuer
	if issuer.URL == "" {
		issuer.URL = server + podroles.IssuerPath + podroles.IssuerID(string(s.cluster.UID))
	}
	issuer.Keys = string(keys)
	s.render.Issuer = issuer.URL
	return nil
}
