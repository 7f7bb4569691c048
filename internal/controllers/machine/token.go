package machine

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	made := bootstrap.NewTokenSecret(s.machine, c.clock.Now())
	if err := s.inside.Create(ctx, made); err != nil {
		return "", fmt.Errorf("creating join token of %s: %w", s.machine.Name, err)
	}
	token, _ := bootstrap.Token(made, c.clock.Now())
	return token, nil
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
