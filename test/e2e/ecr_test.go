//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

// ecrRepository is made by the scenario; ecrUser has no right to it.
const ecrRepository, ecrUser = "e2e/ecr", "e2e-no-ecr"

// ecrOf is AWS's client with a key.
func (a awsClients) ecrOf(key, secret string) *ecr.Client {
	o := a.sts.Options()
	return ecr.New(ecr.Options{Region: o.Region, BaseEndpoint: o.BaseEndpoint, HTTPClient: o.HTTPClient,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		})})
}

// testECR makes a repository, pushes an image with a token as docker does, runs it in the scenario's cluster and deletes all.
func (a awsClients) testECR(t *testing.T, w *world) {
	client, repository := a.ecrOf(a.signer.Key.AccessKeyID, a.signer.Key.Secret), aws.String(ecrRepository)
	made, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: repository})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteRepository(context.WithoutCancel(t.Context()), &ecr.DeleteRepositoryInput{RepositoryName: repository, Force: true})
		if err != nil && !strings.Contains(err.Error(), "RepositoryNotFound") {
			t.Error(err)
		}
	})
	image, push := platformImage(t, w.image(t, "busybox")), a.pusher(t, client)
	if err := push(ecrRepository+":1", image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	described, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: repository})
	if err != nil || len(described.ImageDetails) != 1 || *described.ImageDetails[0].ImageDigest != digest.String() || *described.ImageDetails[0].ImageSizeInBytes == 0 {
		t.Errorf("what was pushed: %+v, %v", described, err)
	}
	t.Run("when it was pushed, pods run it", func(t *testing.T) {
		c := w.connect(t, eksCluster)
		create(t, c, pod("from-ecr", *made.Repository.RepositoryUri+":1", forever()...))
		awaitPods(t, c, "from-ecr")
		w.kubectl(t, c, "delete", "pod", "from-ecr", "--wait=false")
	})
	t.Run("when a user has no right to it, she is refused", func(t *testing.T) { a.withoutECR(t) })
	t.Run("when the repository's own policy denies pushes, they are refused until it is gone", func(t *testing.T) { closes(t, client, image, push) })
	t.Run("when it is not there, or Naru's own, it is not pushed to", func(t *testing.T) {
		for _, reference := range []string{"e2e/none:1", "etcd:mine"} {
			if err := push(reference, image); err == nil || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
				t.Errorf("%s: %v", reference, err)
			}
		}
	})
	id := []types.ImageIdentifier{{ImageTag: aws.String("1")}}
	deleted, err := client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: repository, ImageIds: id})
	if err != nil || len(deleted.ImageIds) != 1 {
		t.Errorf("deleting the image: %+v, %v", deleted, err)
	}
	listed, err := client.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: repository})
	if err != nil || len(listed.ImageIds) != 0 {
		t.Errorf("what is left: %+v, %v", listed, err)
	}
	if _, err := client.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: repository}); err != nil {
		t.Error(err)
	}
}

// closes has the repository's policy deny pushes, and takes it away.
func closes(t *testing.T, client *ecr.Client, image v1.Image, push func(string, v1.Image) error) {
	_, err := client.SetRepositoryPolicy(t.Context(), &ecr.SetRepositoryPolicyInput{RepositoryName: aws.String(ecrRepository),
		PolicyText: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"ecr:PutImage"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := push(ecrRepository+":2", image); err == nil || !strings.Contains(err.Error(), "DENIED") {
		t.Errorf("with the policy: %v", err)
	}
	if _, err := client.DeleteRepositoryPolicy(t.Context(), &ecr.DeleteRepositoryPolicyInput{RepositoryName: aws.String(ecrRepository)}); err != nil {
		t.Fatal(err)
	}
	if err := push(ecrRepository+":1", image); err != nil {
		t.Errorf("without it: %v", err)
	}
}

// pusher logs in as docker does and pushes to where it is told.
func (a awsClients) pusher(t *testing.T, client *ecr.Client) func(reference string, image v1.Image) error {
	t.Helper()
	answer, err := client.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	data := answer.AuthorizationData[0]
	text, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	user, token, _ := strings.Cut(string(text), ":")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.signer.CA) {
		t.Fatal("the API's CA holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	if *data.ProxyEndpoint != serverURL() {
		t.Errorf("docker is to log in at %s, want %s", *data.ProxyEndpoint, serverURL())
	}
	return func(reference string, image v1.Image) error {
		at, err := name.ParseReference(fmt.Sprintf("127.0.0.1:%d/%s", layout.ServerPort, reference))
		if err != nil {
			return err
		}
		return remote.Write(at, image, remote.WithContext(t.Context()), remote.WithTransport(transport), remote.WithAuth(&authn.Basic{Username: user, Password: token}))
	}
}

// platformImage reads one that is in the registry already.
func platformImage(t *testing.T, reference string) v1.Image {
	t.Helper()
	p, err := platform.Open()
	if err != nil {
		t.Fatal(err)
	}
	from, err := registry.Open(p.State)
	if err != nil {
		t.Fatal(err)
	}
	image, err := from.Pull(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// withoutECR asks as a user who may nothing.
func (a awsClients) withoutECR(t *testing.T) {
	user := aws.String(ecrUser)
	if _, err := a.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: user}); err != nil {
		t.Fatal(err)
	}
	key, err := a.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: user})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := a.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: key.AccessKey.AccessKeyId}); err != nil {
			t.Error(err)
		}
		if _, err := a.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user}); err != nil {
			t.Error(err)
		}
	})
	hers := a.ecrOf(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	if _, err := hers.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a token: %v", err)
	}
	if _, err := hers.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: aws.String(ecrRepository)}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a list: %v", err)
	}
}
