//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/token"
)

// testAuthenticatorLog has tokens written down, shows a good one and one of another cluster, and looks for both.
func (a awsClients) testAuthenticatorLog(t *testing.T, w *world) {
	kept := func(on bool) {
		a.update(t, &eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: aws.Bool(on), Types: []types.LogType{types.LogTypeAuthenticator}}}}})
	}
	c := w.connect(t, eksCluster)
	show := func(cluster string) string {
		text, err := token.Create(cluster, sigv4.Key{AccessKeyID: a.signer.Key.AccessKeyID, Secret: a.signer.Key.Secret}, awsRegion, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		config := *c.config
		config.BearerToken, config.CertData, config.KeyData, config.CertFile, config.KeyFile = text, nil, nil, "", ""
		shown, err := connect(eksCluster, &config)
		if err != nil {
			t.Fatal(err)
		}
		// Whether it may is not what is asked here.
		_, _ = shown.kube.Discovery().ServerVersion()
		return text
	}
	written := func(ctx context.Context) string {
		result, err := w.cli.Naru(ctx, "logs", "cluster", eksCluster, "authenticator", "--tail", "-1")
		if err != nil {
			t.Fatal(err)
		}
		return result.Stdout
	}
	kept(true)
	good, other := "", ""
	eventually(t, "the authenticator's log", time.Minute, func(ctx context.Context) error {
		good, other = show(eksCluster), show("another")
		log := written(ctx)
		for _, want := range []string{`"decision":"allow"`, `"decision":"deny"`, ":user/" + bootstrap.AdminUser, "signature we calculated"} {
			if !strings.Contains(log, want) {
				return fmt.Errorf("it lacks %s: %s", want, log)
			}
		}
		return nil
	})
	log := written(t.Context())
	if strings.Contains(log, token.Prefix) || strings.Contains(log, strings.TrimPrefix(good, token.Prefix)) || strings.Contains(log, strings.TrimPrefix(other, token.Prefix)) {
		t.Error("a token was written down")
	}
	kept(false)
	before := written(t.Context())
	show(eksCluster)
	if after := written(t.Context()); after != before {
		t.Errorf("when none is wanted, it is written: %s", strings.TrimPrefix(after, before))
	}
}
