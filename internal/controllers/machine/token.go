package machine

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/machines/bootstrap"
)

// token returns a token that the machine may join with. A machine that has joined has none: its token is deleted, and
// with the next write it is not in the bootstrap files any more.
func (c *Controller) token(ctx context.Context, s *scope) (string, error) {
	if s.joined() {
		if !conditions.IsTrue(s.machine, v1alpha1.MachineJoined) {
			return "", deleteToken(ctx, s)
		}
		return "", nil
	}
	if s.inside == nil {
		return c.keptToken(ctx, s)
	}
	var secret corev1.Secret
	err := s.inside.Get(ctx, bootstrap.TokenSecretKey(s.machine.UID), &secret)
	if err == nil {
		if token, ok := bootstrap.Token(&secret, c.clock.Now()); ok {
			return token, nil
		}
		if err := deleteToken(ctx, s); err != nil {
			return "", err
		}
	} else if !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("reading join token of %s: %w", s.machine.Name, err)
	}
	made, err := c.newToken(ctx, s)
	if err != nil {
		return "", err
	}
	if err := s.inside.Create(ctx, made); err != nil {
		return "", fmt.Errorf("creating join token of %s: %w", s.machine.Name, err)
	}
	token, _ := bootstrap.Token(made, c.clock.Now())
	return token, c.deleteKept(ctx, s)
}

// newToken is the token that was chosen before the cluster could be told of it, or a new one.
func (c *Controller) newToken(ctx context.Context, s *scope) (*corev1.Secret, error) {
	made := bootstrap.NewTokenSecret(s.machine, c.clock.Now())
	kept, err := c.kept(ctx, s)
	if err != nil || kept == nil {
		return made, err
	}
	chosen := made.DeepCopy()
	chosen.Data = kept.Data
	if _, good := bootstrap.Token(chosen, c.clock.Now()); good {
		return chosen, nil
	}
	return made, nil
}

// keptToken chooses a token for a cluster that does not answer yet, and keeps it beside the Machine.
func (c *Controller) keptToken(ctx context.Context, s *scope) (string, error) {
	kept, err := c.kept(ctx, s)
	if err != nil {
		return "", err
	}
	if kept != nil {
		if token, ok := bootstrap.Token(kept, c.clock.Now()); ok {
			return token, nil
		}
		if err := c.deleteKept(ctx, s); err != nil {
			return "", err
		}
	}
	chosen := bootstrap.NewTokenSecret(s.machine, c.clock.Now())
	made := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.machine.Namespace, Name: keptName(s.machine),
			Labels: map[string]string{v1alpha1.LabelMachine: s.machine.Name},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(s.machine, v1alpha1.GroupVersion.WithKind("Machine"))},
		},
		Type: corev1.SecretTypeOpaque,
		Data: chosen.Data,
	}
	if err := c.hosting.Create(ctx, made); err != nil {
		return "", fmt.Errorf("keeping join token of %s: %w", s.machine.Name, err)
	}
	token, _ := bootstrap.Token(made, c.clock.Now())
	return token, nil
}

func keptName(machine *v1alpha1.Machine) string { return machine.Name + "-token" }

// kept is nil where there is none, or one of an earlier machine of that name.
func (c *Controller) kept(ctx context.Context, s *scope) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: s.machine.Namespace, Name: keptName(s.machine)}, &secret)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(&secret, s.machine) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading kept join token of %s: %w", s.machine.Name, err)
	}
	return &secret, nil
}

func (c *Controller) deleteKept(ctx context.Context, s *scope) error {
	var secret corev1.Secret
	secret.Namespace, secret.Name = s.machine.Namespace, keptName(s.machine)
	if err := c.hosting.Delete(ctx, &secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting kept join token of %s: %w", s.machine.Name, err)
	}
	return nil
}

func deleteToken(ctx context.Context, s *scope) error {
	key := bootstrap.TokenSecretKey(s.machine.UID)
	var secret corev1.Secret
	secret.Namespace, secret.Name = key.Namespace, key.Name
	if err := s.inside.Delete(ctx, &secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting join token of %s: %w", s.machine.Name, err)
	}
	return nil
}
