//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/standalone/layout"
)

// eksCluster is made and deleted by the scenario, through AWS's SDK alone.
const eksCluster = "by-eks"

// The longest that a client's own waiter may take.
const eksPatience = 10 * time.Minute

// awsClients are AWS's own clients, with the administrator's key.
type awsClients struct {
	eks    *eks.Client
	iam    *iam.Client
	sts    *sts.Client
	signer backend.Signer
}

func newAWS(t *testing.T) awsClients {
	t.Helper()
	p, err := platform.Open()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := backend.New(p.Client).Signer(t.Context(), bootstrap.AdminUser)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(signer.CA) {
		t.Fatal("the API's CA holds no certificate")
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	endpoint := aws.String(serverURL())
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: signer.Key.AccessKeyID, SecretAccessKey: signer.Key.Secret}, nil
	})
	const region = awsRegion
	return awsClients{
		signer: signer,
		eks:    eks.New(eks.Options{Region: region, BaseEndpoint: endpoint, HTTPClient: web, Credentials: credentials}),
		iam:    iam.New(iam.Options{Region: region, BaseEndpoint: endpoint, HTTPClient: web, Credentials: credentials}),
		sts:    sts.New(sts.Options{Region: region, BaseEndpoint: endpoint, HTTPClient: web, Credentials: credentials}),
	}
}

// serverURL is where naru server is.
func serverURL() string { return fmt.Sprintf("https://127.0.0.1:%d", layout.ServerPort) }

// role is one that EKS, EC2 and, for connected clusters, SSM may assume.
func (a awsClients) role(t *testing.T) string {
	t.Helper()
	const name = "e2e-eks"
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["eks.amazonaws.com","ec2.amazonaws.com","ssm.amazonaws.com"]}}]}`
	if found, err := a.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(name)}); err == nil {
		return *found.Role.Arn
	}
	made, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := a.iam.DeleteRole(context.WithoutCancel(t.Context()), &iam.DeleteRoleInput{RoleName: aws.String(name)}); err != nil {
			t.Errorf("deleting the role: %v", err)
		}
	})
	return *made.Role.Arn
}

// testEKS makes a real cluster with a node by AWS's SDK, waits with its waiters, changes and deletes it.
func testEKS(t *testing.T, w *world) {
	a := newAWS(t)
	identity, err := a.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || !strings.HasSuffix(*identity.Arn, ":user/"+bootstrap.AdminUser) {
		t.Fatalf("who calls: %+v, %v", identity, err)
	}
	name, role, subnets := aws.String(eksCluster), a.role(t), []string{"subnet-0123456789abcdef0"}
	_, err = a.eks.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: name, RoleArn: &role, ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: subnets},
		Tags: map[string]string{"naru.dev/control-plane-replicas": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	active := eks.NewClusterActiveWaiter(a.eks, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	described, err := active.WaitForOutput(t.Context(), &eks.DescribeClusterInput{Name: name}, eksPatience)
	if err != nil {
		t.Fatal(err)
	}
	if described.Cluster.CertificateAuthority == nil || *described.Cluster.Endpoint == "" || described.Cluster.CreatedAt == nil {
		t.Errorf("when it is active, it says how it is reached: %+v", described.Cluster)
	}
	_, err = a.eks.CreateNodegroup(t.Context(), &eks.CreateNodegroupInput{ClusterName: name, NodegroupName: aws.String("web"), NodeRole: &role, Subnets: subnets,
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(2), DesiredSize: aws.Int32(1)}})
	if err != nil {
		t.Fatal(err)
	}
	which := &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("web")}
	ready := eks.NewNodegroupActiveWaiter(a.eks, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := ready.Wait(t.Context(), which, eksPatience); err != nil {
		t.Fatal(err)
	}
	t.Run("when the node group is active, the cluster has its node", func(t *testing.T) {
		eventually(t, "one node", time.Minute, w.connect(t, eksCluster).wantNodes(1))
	})
	testAccess(t, w, a)
	t.Run("when pods are given roles, each gets its own and no other", func(t *testing.T) { a.testPodRoles(t, w) })
	t.Run("when an add-on is configured, the cluster has it so, and what others have set is theirs until it is overwritten", func(t *testing.T) { a.testAddons(t, w) })
	t.Run("when insights are refreshed, they tell of a deprecated API that was requested, and of the node", func(t *testing.T) { a.testInsights(t, w) })
	t.Run("when an image is pushed with a token of ECR, pods run it", func(t *testing.T) { a.testECR(t, w) })
	t.Run("when a Fargate profile chooses pods, each runs on a machine of its own", func(t *testing.T) { a.testFargate(t, w) })
	t.Run("when a Fargate profile is applied as a manifest, it is waited for, told and deleted", func(t *testing.T) {
		w.apply(t, fmt.Sprintf("apiVersion: naru.dev/v1alpha1\nkind: FargateProfile\nmetadata: {name: applied, namespace: naru-%s}\nspec: {selectors: [{namespace: nobody}]}\n", eksCluster))
		if told := w.naru(t, "get", "fargateprofiles", "--cluster", eksCluster).Stdout; !strings.Contains(told, "applied") || !strings.Contains(told, "True") {
			t.Errorf("it is told as %s", told)
		}
		w.naru(t, "delete", "fargateprofile", "applied", "--cluster", eksCluster)
	})
	t.Run("when an identity provider is associated, its users enter until it is disassociated", func(t *testing.T) { testOIDC(t, w, a) })
	t.Run("when a cluster is registered and its agent comes, it is seen through Naru until it is deregistered", func(t *testing.T) { a.testConnected(t, w) })
	t.Run("when the endpoint is limited, only who may reaches it, without a failed request", func(t *testing.T) { testEndpoint(t, w, a) })
	t.Run("when settings are changed, the update ends and the API server has them", func(t *testing.T) { a.changeSettings(t, w) })
	t.Run("when audit logs are asked for, requests are written down, and no Secret", func(t *testing.T) { a.testAudit(t, w) })
	t.Run("when the authenticator's log is asked for, it tells who came with which outcome, and holds no token", func(t *testing.T) { a.testAuthenticatorLog(t, w) })
	t.Run("when a cluster is deleted, its waiters see it go", func(t *testing.T) {
		a.delete(t, which)
		w.forget(t, eksCluster)
	})
}

// changeSettings narrows the NodePort range, and tries a Service outside of it.
func (a awsClients) changeSettings(t *testing.T, w *world) {
	a.update(t, &eks.UpdateClusterConfigInput{
		KubeApiServerConfig: &types.KubeApiServerConfigRequest{ServiceNodePortRange: &types.ServiceNodePortRange{MinPort: 31000, MaxPort: 31999}},
		KubeSchedulerConfig: &types.KubeSchedulerConfigRequest{NodeResourcesFit: &types.NodeResourcesFitConfig{ScoringStrategy: &types.ScoringStrategy{
			Type: types.ScoringStrategyTypeMostAllocated, Resources: []types.ResourceWeight{{Name: aws.String("cpu"), Weight: aws.Int32(3)}}}}}})
	c := w.connect(t, eksCluster)
	result, err := w.cli.Kubectl(t.Context(), c.name, "create", "service", "nodeport", "outside", "--tcp=80", "--node-port=30080")
	if err == nil || !strings.Contains(result.Stderr+err.Error(), "31000-31999") {
		t.Errorf("a port outside of the range: %v, %s", err, result.Stderr)
	}
	create(t, c, pod("scheduled", w.image(t, "busybox"), forever()...))
	awaitPods(t, c, "scheduled")
}

// update changes a setting of the cluster, and waits until the change is in force.
func (a awsClients) update(t *testing.T, in *eks.UpdateClusterConfigInput) {
	t.Helper()
	in.Name = aws.String(eksCluster)
	out, err := a.eks.UpdateClusterConfig(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "update "+string(out.Update.Type), eksPatience, func(ctx context.Context) error {
		update, err := a.eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: in.Name, UpdateId: out.Update.Id})
		if err == nil && update.Update.Status != types.UpdateStatusSuccessful {
			err = fmt.Errorf("it is %s", update.Update.Status)
		}
		return err
	})
}

// testAudit has requests written down, and looks for one and for what must not be there.
func (a awsClients) testAudit(t *testing.T, w *world) {
	a.update(t, &eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: aws.Bool(true), Types: []types.LogType{types.LogTypeAudit}}}}})
	c := w.connect(t, eksCluster)
	const name, secret = "audited", "nobody-may-read-this"
	w.kubectl(t, c, "create", "service", "clusterip", name, "--tcp=80")
	w.kubectl(t, c, "create", "secret", "generic", name, "--from-literal=key="+secret)
	var written string
	eventually(t, "the audit log", time.Minute, func(ctx context.Context) error {
		result, err := w.cli.Naru(ctx, "logs", "cluster", eksCluster, "audit", "--tail", "2000")
		written = result.Stdout
		for _, want := range []string{`"resource":"services","namespace":"default","name":"audited"`, `"resource":"secrets","namespace":"default","name":"audited"`, `"username":"naru:admin"`} {
			if err == nil && !strings.Contains(written, want) {
				err = fmt.Errorf("it lacks %s", want)
			}
		}
		return err
	})
	if strings.Contains(written, secret) || strings.Contains(written, base64.StdEncoding.EncodeToString([]byte(secret))) {
		t.Error("a Secret was written into the audit log")
	}
	if own := w.naru(t, "logs", "cluster", eksCluster, "kube-apiserver").Stdout; strings.Contains(own, "audit.k8s.io") || own == "" {
		t.Error("the API server's own log has the audit log in it, or nothing")
	}
}

func (a awsClients) delete(t *testing.T, group *eks.DescribeNodegroupInput) {
	cluster := &eks.DescribeClusterInput{Name: group.ClusterName}
	_, err := a.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: group.ClusterName})
	if inUse := new(types.ResourceInUseException); !errors.As(err, &inUse) {
		t.Errorf("a cluster with a node group: %v", err)
	}
	if _, err := a.eks.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: group.ClusterName, NodegroupName: group.NodegroupName}); err != nil {
		t.Fatal(err)
	}
	gone := eks.NewNodegroupDeletedWaiter(a.eks, func(o *eks.NodegroupDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := gone.Wait(t.Context(), group, eksPatience); err != nil {
		t.Fatal(err)
	}
	if _, err := a.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: group.ClusterName}); err != nil {
		t.Fatal(err)
	}
	over := eks.NewClusterDeletedWaiter(a.eks, func(o *eks.ClusterDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := over.Wait(t.Context(), cluster, eksPatience); err != nil {
		t.Fatal(err)
	}
}
