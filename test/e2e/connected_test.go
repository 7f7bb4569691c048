//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"naru.dev/naru/test/naru"
)

// connectedName is what the scenario's own cluster is registered as: it plays one that is somebody else's.
const connectedName = "elsewhere"

// testConnected registers a cluster by AWS's SDK, connects it with the manifest that naru prints, looks at it through Naru, and
// deregisters it.
func (a awsClients) testConnected(t *testing.T, w *world) {
	c, name := w.connect(t, eksCluster), aws.String(connectedName)
	identity, err := a.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.eks.RegisterCluster(t.Context(), &eks.RegisterClusterInput{Name: name, ConnectorConfig: &types.ConnectorConfigRequest{
		Provider: types.ConnectorConfigProviderOther, RoleArn: aws.String(a.role(t))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := a.eks.DeregisterCluster(context.WithoutCancel(t.Context()), &eks.DeregisterClusterInput{Name: name}); err != nil && !isMissing(err) {
			t.Error(err)
		}
	})
	if out.Cluster.Status != types.ClusterStatusPending {
		t.Errorf("before the agent comes, it is %s", out.Cluster.Status)
	}
	w.applyConnector(t, c, out.Cluster, *identity.Arn)
	active := eks.NewClusterActiveWaiter(a.eks, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second })
	described, err := active.WaitForOutput(t.Context(), &eks.DescribeClusterInput{Name: name}, time.Minute)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.kubectl(t, c, "logs", "-n", "naru-connector", "deployment/naru-connector"))
	}
	if !strings.HasPrefix(aws.ToString(described.Cluster.Version), "v"+version) || len(described.Cluster.Health.Issues) != 0 {
		t.Errorf("it is described as %+v", described.Cluster)
	}
	if told := w.naru(t, "describe", "cluster", connectedName).Stdout; !strings.Contains(told, "1 ready, 1 in all") {
		t.Errorf("naru describe says\n%s", told)
	}
	if listed := w.naru(t, "get", "clusters").Stdout; !strings.Contains(listed, connectedName) || !strings.Contains(listed, "OTHER") {
		t.Errorf("naru get clusters says\n%s", listed)
	}
	t.Run("when kubectl goes through it, the cluster's own rules decide", func(t *testing.T) { a.throughConnection(t, w) })
	t.Run("when the agent is away, the cluster is told to be, until it is back with its key alone", func(t *testing.T) {
		w.kubectl(t, c, "scale", "-n", "naru-connector", "deployment/naru-connector", "--replicas=0")
		a.awaitStatus(t, types.ClusterStatusFailed)
		w.kubectl(t, c, "delete", "secret", "-n", "naru-connector", "naru-connector-activation")
		w.kubectl(t, c, "create", "secret", "generic", "-n", "naru-connector", "naru-connector-activation", "--from-literal=code=lost")
		w.kubectl(t, c, "scale", "-n", "naru-connector", "deployment/naru-connector", "--replicas=1")
		a.awaitStatus(t, types.ClusterStatusActive)
	})
	t.Run("when it is deregistered, nobody gets through, and the agent is not let in", func(t *testing.T) {
		if _, err := a.eks.DeregisterCluster(t.Context(), &eks.DeregisterClusterInput{Name: name}); err != nil {
			t.Fatal(err)
		}
		if result, err := a.through(t, w, "get", "pods"); err == nil || !strings.Contains(result.Stderr, "not found") {
			t.Errorf("kubectl says %v, %s", err, result.Stderr)
		}
		eventually(t, "the agent's complaint", time.Minute, func(ctx context.Context) error {
			result, err := w.cli.Kubectl(ctx, c.name, "logs", "-n", "naru-connector", "deployment/naru-connector")
			if err == nil && !strings.Contains(result.Stdout, "no cluster is registered with this activation id and code") {
				err = fmt.Errorf("its log says %s", result.Stdout)
			}
			return err
		})
	})
	w.kubectl(t, c, "delete", "namespace", "naru-connector", "--wait=false")
}

// applyConnector applies what naru prints of a registration.
func (w *world) applyConnector(t *testing.T, c *cluster, registered *types.Cluster, viewer string) {
	t.Helper()
	config := map[string]string{"activationId": *registered.ConnectorConfig.ActivationId, "activationCode": *registered.ConnectorConfig.ActivationCode}
	answer, err := json.Marshal(map[string]any{"cluster": map[string]any{"name": *registered.Name, "connectorConfig": config}})
	if err != nil {
		t.Fatal(err)
	}
	printed, err := w.cli.Pipe(t.Context(), string(answer), "register", "cluster", *registered.Name, "--answer", "-", "--viewer", viewer)
	if err != nil {
		t.Fatal(err)
	}
	command, err := w.cli.Command(t.Context(), c.name, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	command.Stdin = strings.NewReader(printed.Stdout)
	if _, err := naru.Run(command); err != nil {
		t.Fatal(err)
	}
}

// throughConnection reads, watches, and tries what the role view does not allow.
func (a awsClients) throughConnection(t *testing.T, w *world) {
	result, err := a.through(t, w, "get", "pods", "-n", "naru-connector", "-o", "name")
	if err != nil || !strings.Contains(result.Stdout, "pod/naru-connector-") {
		t.Errorf("pods: %v, %s", err, result.Stdout)
	}
	if result, err = a.through(t, w, "wait", "-n", "naru-connector", "deployment/naru-connector", "--for", "condition=Available", "--timeout", "30s"); err != nil {
		t.Errorf("a watch: %v, %s", err, result.Stderr)
	}
	if result, err = a.through(t, w, "get", "secrets", "-A"); err == nil || !strings.Contains(result.Stderr, ":user/") || !strings.Contains(result.Stderr, "cannot list resource \"secrets\"") {
		t.Errorf("secrets: %v, %s", err, result.Stderr)
	}
	if result, err = a.through(t, w, "get", "pods", "--as", "system:admin"); err == nil || !strings.Contains(result.Stderr, "impersonated") {
		t.Errorf("as somebody else: %v, %s", err, result.Stderr)
	}
}

// through runs kubectl with what `naru kubeconfig` prints of the connected cluster.
func (a awsClients) through(t *testing.T, w *world, args ...string) (naru.Result, error) {
	t.Helper()
	command, err := w.cli.Command(t.Context(), connectedName, args...)
	if err != nil {
		t.Fatal(err)
	}
	command.Env = append(command.Env, "HOME="+t.TempDir(), "AWS_REGION="+awsRegion, "AWS_ACCESS_KEY_ID="+a.signer.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.signer.Key.Secret)
	return naru.Run(command)
}

func (a awsClients) awaitStatus(t *testing.T, want types.ClusterStatus) {
	t.Helper()
	eventually(t, "status "+string(want), time.Minute, func(ctx context.Context) error {
		described, err := a.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(connectedName)})
		if err == nil && described.Cluster.Status != want {
			err = fmt.Errorf("it is %s", described.Cluster.Status)
		}
		return err
	})
}

func isMissing(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}
