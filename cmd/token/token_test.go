package token

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/token"
)

type alice struct{}

func (alice) Lookup(_ context.Context, id, _ string) (iam.Identity, error) {
	return iam.Identity{Secret: "secret", Caller: iam.Caller{ARN: "alice", AccessKeyID: id}}, nil
}

func TestToken(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "naru-kr-1", "AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
		execInfo: `{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}`} {
		t.Setenv(name, value)
	}
	command := New()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetArgs([]string{"--cluster-name", "prod"}) // as "aws eks get-token" has it; --cluster is the same
	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var credential struct {
		APIVersion string `json:"apiVersion"`
		Status     struct {
			Token               string    `json:"token"`
			ExpirationTimestamp time.Time `json:"expirationTimestamp"`
		} `json:"status"`
	}
	if err := json.Unmarshal(out.Bytes(), &credential); err != nil {
		t.Fatal(err)
	}
	if credential.APIVersion != "client.authentication.k8s.io/v1beta1" || time.Until(credential.Status.ExpirationTimestamp) > token.Life {
		t.Errorf("%+v", credential)
	}
	verifier := &token.Verifier{Cluster: "prod", Credentials: alice{}, Now: time.Now}
	if caller, err := verifier.Verify(t.Context(), credential.Status.Token); err != nil || caller.ARN != "alice" {
		t.Errorf("when it is verified, it is good: %v", err)
	}
}
