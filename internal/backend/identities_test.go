package backend

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/setup"
)

func TestIdentities(t *testing.T) {
	b, c := world(t)
	client, err := b.Identities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")})
	if err != nil || *made.User.UserName != "alice" {
		t.Fatalf("%v, %v", made, err)
	}
	_, err = client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")})
	requireRefused(t, IdentityError(err), "User with name alice already exists.")
	_, err = client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("a b")})
	var invalid *InvalidError
	if err := IdentityError(err); !errors.As(err, &invalid) {
		t.Errorf("when a name can't be, it is invalid input: %v", err)
	}
	tls := &corev1.Secret{Data: map[string][]byte{setup.CAKey: []byte("PEM")}}
	tls.Namespace, tls.Name = v1alpha1.SystemNamespace, setup.TLSSecret
	if err := c.Create(t.Context(), tls); err != nil {
		t.Fatal(err)
	}
	if signer, err := b.Signer(t.Context(), "admin"); err != nil || signer.Key.Secret == "" || string(signer.CA) != "PEM" {
		t.Errorf("when it is the admin, there is a key: %v", err)
	}
	var missing *NotFoundError
	if _, err := b.Signer(t.Context(), "alice"); !errors.As(err, &missing) {
		t.Errorf("when a user has no key, it says so: %v", err)
	}
}
