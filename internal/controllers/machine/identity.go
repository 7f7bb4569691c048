package machine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/machines/bootstrap"
)

// identityLife bounds how long a certificate that a machine is given is good for. The machine asks for one of its own as soon as
// its kubelet runs: it could do so with a token, too, but only when its cluster's controller manager signs, and a token
// lets who has it be any node.
const identityLife = time.Hour

// identity returns what a machine's kubelet joins with. It is made once and kept beside the Machine until its node is ready;
// with the next write it is not in the bootstrap files any more. A node that is not ready, for whatever reason, may need it again.
func (c *Controller) identity(ctx context.Context, s *scope, authority pki.Material) (bootstrap.Identity, error) {
	kept, err := c.kept(ctx, s)
	if err != nil {
		return bootstrap.Identity{}, err
	}
	if s.joined() {
		return bootstrap.Identity{}, c.deleteKept(ctx, kept)
	}
	leaf := pki.NodeLeaf(s.machine.Name, identityLife)
	if kept != nil {
		have := pki.Material{Certificate: kept.Data[corev1.TLSCertKey], Key: kept.Data[corev1.TLSPrivateKeyKey]}
		if why, _ := pki.DecideLeaf(have, authority, leaf, c.clock.Now(), time.Time{}); why == "" {
			return bootstrap.Identity(have), nil
		}
		if err := c.deleteKept(ctx, kept); err != nil {
			return bootstrap.Identity{}, err
		}
	}
	made, err := pki.Issue(authority, leaf, c.clock.Now())
	if err != nil {
		return bootstrap.Identity{}, fmt.Errorf("making a certificate of %s: %w", s.machine.Name, err)
	}
	if err := c.hosting.Create(ctx, identitySecret(s.machine, made)); err != nil {
		return bootstrap.Identity{}, fmt.Errorf("keeping the certificate of %s: %w", s.machine.Name, err)
	}
	return bootstrap.Identity(made), nil
}

func identityName(machine *v1alpha1.Machine) string { return machine.Name + "-identity" }

func identitySecret(machine *v1alpha1.Machine, identity pki.Material) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: machine.Namespace, Name: identityName(machine),
			Labels:          map[string]string{v1alpha1.LabelMachine: machine.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(machine, v1alpha1.GroupVersion.WithKind("Machine"))},
		},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: identity.Certificate, corev1.TLSPrivateKeyKey: identity.Key},
	}
}

// kept is nil where there is none, or one of an earlier machine of that name, which goes with that.
func (c *Controller) kept(ctx context.Context, s *scope) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: s.machine.Namespace, Name: identityName(s.machine)}, &secret)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(&secret, s.machine) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the certificate of %s: %w", s.machine.Name, err)
	}
	return &secret, nil
}

func (c *Controller) deleteKept(ctx context.Context, kept *corev1.Secret) error {
	if kept == nil {
		return nil
	}
	if err := c.hosting.Delete(ctx, kept, client.Preconditions{UID: &kept.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting certificate %s: %w", kept.Name, err)
	}
	return nil
}
