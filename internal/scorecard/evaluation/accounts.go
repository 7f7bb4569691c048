package evaluation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/scorecard/checks"
	"naru.dev/naru/internal/standalone/layout"
)

// The region that requests are signed for, and how long one may take.
const (
	accountRegion   = "naru-kr-1"
	accountPatience = 10 * time.Second
)

// accounts are the users of the IAM API, which is asked with AWS's own SDK as the administrator.
type accounts struct {
	signer func(ctx context.Context) (backend.Signer, error)
	binary string
}

func newAccounts(b *backend.Backend, binary string) *accounts {
	return &accounts{binary: binary, signer: func(ctx context.Context) (backend.Signer, error) { return b.Signer(ctx, bootstrap.AdminUser) }}
}

func endpoint() string { return fmt.Sprintf("https://127.0.0.1:%d", layout.ServerPort) }

// client returns a client of the IAM API, and the CA of its certificate.
func (a *accounts) client(ctx context.Context) (*iam.Client, []byte, error) {
	signer, err := a.signer(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the administrator's key: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(signer.CA) {
		return nil, nil, errors.New("the API's CA holds no certificate")
	}
	web := &http.Client{Timeout: accountPatience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: signer.Key.AccessKeyID, SecretAccessKey: signer.Key.Secret}, nil
	})
	return iam.New(iam.Options{Region: accountRegion, BaseEndpoint: aws.String(endpoint()), HTTPClient: web, Credentials: credentials}), signer.CA, nil
}

const accountPolicy = "evaluation"

// Create implements checks.Accounts. The key is in the environment of the naru that is returned, nowhere else.
func (a *accounts) Create(ctx context.Context, name, policy string) (checks.Naru, error) {
	client, ca, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		return nil, fmt.Errorf("creating user %s: %w", name, err)
	}
	if _, err := client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String(accountPolicy), PolicyDocument: &policy}); err != nil {
		return nil, fmt.Errorf("giving user %s a policy: %w", name, err)
	}
	made, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		return nil, fmt.Errorf("creating a key of user %s: %w", name, err)
	}
	bundle := caFile(name)
	if err := os.WriteFile(bundle, ca, 0o600); err != nil {
		return nil, fmt.Errorf("writing the API's CA: %w", err)
	}
	none := os.DevNull // what is set up on this machine is not the user's
	return checks.Program(a.binary,
		"AWS_ACCESS_KEY_ID="+aws.ToString(made.AccessKey.AccessKeyId), "AWS_SECRET_ACCESS_KEY="+aws.ToString(made.AccessKey.SecretAccessKey), "AWS_SESSION_TOKEN=",
		"AWS_PROFILE=", "AWS_CONFIG_FILE="+none, "AWS_SHARED_CREDENTIALS_FILE="+none, "AWS_REGION="+accountRegion, "AWS_ENDPOINT_URL="+endpoint(), "AWS_CA_BUNDLE="+bundle), nil
}

// caFile is where a user's naru finds the API's CA.
func caFile(user string) string { return filepath.Join(os.TempDir(), "naru-"+user+"-ca.crt") }

// Lock implements checks.Accounts.
func (a *accounts) Lock(ctx context.Context, name string) error {
	client, _, err := a.client(ctx)
	if err != nil {
		return err
	}
	keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name})
	if err != nil {
		return fmt.Errorf("listing the keys of user %s: %w", name, err)
	}
	for _, key := range keys.AccessKeyMetadata {
		if _, err := client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: key.AccessKeyId}); err != nil {
			return fmt.Errorf("deleting a key of user %s: %w", name, err)
		}
	}
	return nil
}

// Delete implements checks.Accounts.
func (a *accounts) Delete(ctx context.Context, name string) error {
	client, _, err := a.client(ctx)
	if err != nil {
		return err
	}
	if err := os.Remove(caFile(name)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing the API's CA: %w", err)
	}
	if err := a.Lock(ctx, name); err != nil {
		return unlessGone(err)
	}
	_, err = client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: aws.String(accountPolicy)})
	if err := unlessGone(err); err != nil {
		return fmt.Errorf("deleting the policy of user %s: %w", name, err)
	}
	_, err = client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &name})
	return unlessGone(err)
}

// unlessGone keeps errors but those of what does not exist.
func unlessGone(err error) error {
	var gone *types.NoSuchEntityException
	if errors.As(err, &gone) {
		return nil
	}
	return err
}
