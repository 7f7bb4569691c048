package assembly

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/install"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/test/env"
)

const account, role, secret = "111122223333", "arn:aws:iam::111122223333:role/eks", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// TestServer runs the server in front of a real API server with Naru's kinds: the cache has to follow,
// and the kinds' own rules have to take what handlers write.
func TestServer(t *testing.T) {
	config := env.Start(t)
	hosting, err := platform.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, hosting)
	grant(t, hosting)
	go play(t.Context(), hosting)
	client, address := start(t, config, hosting)

	name := aws.String("prod")
	narrow(t, client, hosting, address)
	others(t, client)
	creation(t, client, name)
	changes(t, client, name)
	nodes(t, client, name)
	settings(t, client, name)
	entries(t, client, name)
	deletion(t, client, name)
	foreign(t, client, config, hosting, address)
}

// others asks the other services, at the same address and with the same key.
func others(t *testing.T, client *eks.Client) {
	t.Helper()
	o := client.Options()
	identity, err := sts.New(sts.Options{Region: o.Region, BaseEndpoint: o.BaseEndpoint, HTTPClient: o.HTTPClient, Credentials: o.Credentials}).
		GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *identity.Arn != "arn:aws:iam::111122223333:user/admin" {
		t.Errorf("STS: %+v, %v", identity, err)
	}
	found, err := iamsdk.New(iamsdk.Options{Region: "us-east-1", BaseEndpoint: o.BaseEndpoint, HTTPClient: o.HTTPClient, Credentials: o.Credentials}).
		GetRole(t.Context(), &iamsdk.GetRoleInput{RoleName: aws.String("eks")})
	if err != nil || *found.Role.Arn != role {
		t.Errorf("IAM: %+v, %v", found, err)
	}
	_, err = client.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: aws.String("other"), RoleArn: aws.String("arn:aws:iam::111122223333:role/none"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-0123456789abcdef0"}}})
	if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) {
		t.Errorf("a role that does not exist: %v", err)
	}
}

// soon is how long a waiter may pause.
const soon = 20 * time.Millisecond

func awaitActive(t *testing.T, client *eks.Client, name *string) *types.Cluster {
	t.Helper()
	waiter := eks.NewClusterActiveWaiter(client, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	out, err := waiter.WaitForOutput(t.Context(), &eks.DescribeClusterInput{Name: name}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return out.Cluster
}

func creation(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	in := &eks.CreateClusterInput{Name: name, RoleArn: aws.String(role), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-0123456789abcdef0"}},
		Tags: map[string]string{"naru.dev/control-plane-replicas": "1"}}
	if _, err := client.CreateCluster(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if cluster := awaitActive(t, client, name); *cluster.KubernetesNetworkConfig.ServiceIpv4Cidr != "10.96.0.0/16" {
		t.Errorf("the kind's defaults are missing: %+v", cluster.KubernetesNetworkConfig)
	}
	group := &eks.CreateNodegroupInput{ClusterName: name, NodegroupName: aws.String("web"), NodeRole: aws.String(role), Subnets: []string{"subnet-0123456789abcdef0"}}
	if _, err := client.CreateNodegroup(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	ready := eks.NewNodegroupActiveWaiter(client, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := ready.Wait(t.Context(), &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("web")}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// changes reads what was written, each time at once. The last one takes the protection away.
func changes(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	for n := range 4 {
		if _, err := client.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: name, DeletionProtection: aws.Bool(n%2 == 0)}); err != nil {
			t.Fatal(err)
		}
		out, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: name})
		if err != nil || *out.Cluster.DeletionProtection != (n%2 == 0) {
			t.Fatalf("when it is changed, that is told at once: %v", err)
		}
		awaitActive(t, client, name)
	}
}

// nodes changes a group, and reads it at once.
func nodes(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	which := &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("web")}
	before, err := client.DescribeNodegroup(t.Context(), which)
	if err != nil || *before.Nodegroup.UpdateConfig.MaxUnavailable != 1 {
		t.Fatalf("EKS replaces one node at a time: %+v, %v", before, err)
	}
	_, err = client.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: name, NodegroupName: which.NodegroupName,
		UpdateConfig: &types.NodegroupUpdateConfig{MaxUnavailablePercentage: aws.Int32(25)}, ScalingConfig: &types.NodegroupScalingConfig{MaxSize: aws.Int32(4), DesiredSize: aws.Int32(3)}})
	if err != nil {
		t.Fatal(err)
	}
	after, err := client.DescribeNodegroup(t.Context(), which)
	if err != nil || *after.Nodegroup.UpdateConfig.MaxUnavailablePercentage != 25 || *after.Nodegroup.ScalingConfig.DesiredSize != 3 {
		t.Errorf("what was changed is not what is told: %+v, %v", after.Nodegroup, err)
	}
	for _, config := range []types.NodegroupUpdateConfig{{MaxUnavailable: aws.Int32(0)}, {MaxUnavailablePercentage: aws.Int32(101)}, {MaxUnavailable: aws.Int32(1), MaxUnavailablePercentage: aws.Int32(1)}} {
		_, err := client.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{ClusterName: name, NodegroupName: which.NodegroupName, UpdateConfig: &config})
		if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) {
			if busy := new(types.ResourceInUseException); !errors.As(err, &busy) {
				t.Errorf("what can't be is accepted: %v", err)
			}
		}
	}
}

// settings changes what the kind's own rules look at.
func settings(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	change := func(ttl string, low, high int32) error {
		_, err := client.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: name, KubeApiServerConfig: &types.KubeApiServerConfigRequest{
			EventTtl: &ttl, ServiceNodePortRange: &types.ServiceNodePortRange{MinPort: low, MaxPort: high}}})
		return err
	}
	if err := change("2h", 31000, 31999); err != nil {
		t.Fatal(err)
	}
	if cluster := awaitActive(t, client, name); *cluster.KubeApiServerConfig.EventTtl != "2h" || cluster.KubeApiServerConfig.ServiceNodePortRange.MaxPort != 31999 {
		t.Errorf("what was changed is not what is told: %+v", cluster.KubeApiServerConfig)
	}
	for _, err := range []error{change("48h", 31000, 31999), change("1h30m", 31000, 31999), change("1h", 31999, 31000), change("1h", 80, 90)} {
		if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) {
			t.Errorf("what can't be is accepted: %v", err)
		}
	}
}

func deletion(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	if _, err := client.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: name, NodegroupName: aws.String("web")}); err != nil {
		t.Fatal(err)
	}
	gone := eks.NewNodegroupDeletedWaiter(client, func(o *eks.NodegroupDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := gone.Wait(t.Context(), &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("web")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: name}); err != nil {
		t.Fatal(err)
	}
	over := eks.NewClusterDeletedWaiter(client, func(o *eks.ClusterDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := over.Wait(t.Context(), &eks.DescribeClusterInput{Name: name}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// entries writes access entries and pod identities, which the kinds' rules look at.
func entries(t *testing.T, client *eks.Client, name *string) {
	t.Helper()
	listed, err := client.ListAssociatedAccessPolicies(t.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: name, PrincipalArn: aws.String("arn:aws:iam::111122223333:user/admin")})
	if err != nil || len(listed.AssociatedAccessPolicies) != 1 {
		t.Fatalf("the creator's entry: %+v, %v", listed, err)
	}
	principal := aws.String(role)
	if _, err := client.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: name, PrincipalArn: principal}); err != nil {
		t.Fatal(err)
	}
	_, err = client.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{ClusterName: name, PrincipalArn: principal,
		PolicyArn: aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"team-*"}}})
	if err != nil {
		t.Fatal(err)
	}
	created, err := client.CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{ClusterName: name, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: principal})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeletePodIdentityAssociation(t.Context(), &eks.DeletePodIdentityAssociationInput{ClusterName: name, AssociationId: created.Association.AssociationId}); err != nil {
		t.Fatal(err)
	}
	_, err = client.DescribePodIdentityAssociation(t.Context(), &eks.DescribePodIdentityAssociationInput{ClusterName: name, AssociationId: created.Association.AssociationId})
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
		t.Errorf("a deleted association: %v", err)
	}
}

// furnish writes what `naru up` and an administrator would.
func furnish(t *testing.T, c client.Client) {
	t.Helper()
	host := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-1", Labels: map[string]string{corev1.LabelTopologyZone: "naru-1a"}}}
	class := &v1alpha1.MachineClass{ObjectMeta: metav1.ObjectMeta{Name: "t3.medium"}}
	class.Spec.CPU.SetMilli(2000)
	class.Spec.Memory.Set(4 << 30)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}, host, class,
		&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "1.37"}, Spec: v1alpha1.ReleaseSpec{Version: "1.37.1", Images: map[string]string{"naru": "naru:1"}}},
	} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	identities := store.New(c)
	trusted := &v1alpha1.IAMRole{}
	trusted.Spec.Name, trusted.Spec.Path, trusted.Spec.ID = "eks", "/", "AROAIOSFODNN7EXAMPLE"
	trusted.Spec.TrustPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["eks.amazonaws.com","ec2.amazonaws.com","pods.eks.amazonaws.com","ssm.amazonaws.com"]},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	if err := identities.Roles.Create(t.Context(), trusted); err != nil {
		t.Fatal(err)
	}
	admin := &v1alpha1.IAMUser{}
	admin.Spec.Name, admin.Spec.Path, admin.Spec.ID = "admin", "/", "AIDAIOSFODNN7EXAMPLE"
	admin.Spec.AttachedPolicies = []string{"arn:aws:iam::aws:policy/AdministratorAccess"}
	if err := identities.Users.Create(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	key := &iam.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", User: "admin", UserID: admin.Spec.ID, Secret: secret, Created: time.Now()}
	if err := identities.Keys.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

// grant gives the server the rights that it is installed with, and no others.
func grant(t *testing.T, c client.Client) {
	t.Helper()
	objects, err := install.Render(install.Data{Image: "naru:1", Replicas: 1, ServerPort: 1, Authenticator: "10.0.0.21", PodRoles: "10.0.0.22"})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GroupVersionKind().Group == "rbac.authorization.k8s.io" {
			if err := c.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// start runs the server and returns AWS's own client of it, and the address for nodes.
func start(t *testing.T, config *rest.Config, hosting client.Client) (_ *eks.Client, nodes string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forNodes, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	// The rights are those of the service account.
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:naru-system:naru-server", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	options := Options{Hosting: config, Site: convert.Site{Account: account, Region: "naru-kr-1"}, Names: []string{"127.0.0.1"}, Limits: server.DefaultLimits(),
		Nodes: Nodes{Listener: forNodes, Names: []string{"127.0.0.1"}}, Audit: io.Discard, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, options) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("when it is told to stop, it stops: %v", err)
		}
	})
	roots := x509.NewCertPool()
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for answered := false; !answered; {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("the server ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		made := &corev1.Secret{}
		if err := hosting.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: setup.TLSSecret}, made); err != nil {
			continue
		}
		roots.AppendCertsFromPEM(made.Data[setup.CAKey])
		response, err := web.Get("https://" + address + "/readyz")
		if err == nil {
			response.Body.Close()
			answered = true
		}
	}
	return eks.New(eks.Options{Region: "naru-kr-1", BaseEndpoint: aws.String("https://" + address), HTTPClient: web, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret}, nil
		})}), forNodes.Addr().String()
}

// play is an instant driver: it makes clusters and node groups ready, and lets them go, as soon as it
// hears of them. What it can't write because somebody else did, it hears of again.
func play(ctx context.Context, c client.WithWatch) {
	for _, list := range []client.ObjectList{&v1alpha1.ClusterList{}, &v1alpha1.NodeGroupList{}} {
		events, err := c.Watch(ctx, list)
		if err != nil {
			panic(fmt.Sprintf("watching: %v", err))
		}
		go func() {
			for event := range events.ResultChan() {
				switch object := event.Object.(type) {
				case *v1alpha1.Cluster:
					playCluster(ctx, c, object)
				case *v1alpha1.NodeGroup:
					playGroup(ctx, c, object)
				}
			}
		}()
	}
}

func playCluster(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster) {
	switch {
	case cluster.DeletionTimestamp != nil:
		cluster.Finalizers = nil
		_ = c.Update(ctx, cluster)
	case len(cluster.Finalizers) == 0:
		cluster.Finalizers = []string{v1alpha1.Finalizer}
		_ = c.Update(ctx, cluster)
	case cluster.Status.ObservedGeneration != cluster.Generation:
		_ = c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace(cluster.Name)}})
		cluster.Status.ObservedGeneration, cluster.Status.Version = cluster.Generation, "v1.37.1"
		conditions.True(cluster, v1alpha1.ClusterReady, v1alpha1.ReasonReady, "played")
		_ = c.Status().Update(ctx, cluster)
	}
}

func playGroup(ctx context.Context, c client.Client, group *v1alpha1.NodeGroup) {
	switch {
	case group.DeletionTimestamp != nil:
		group.Finalizers = nil
		_ = c.Update(ctx, group)
	case len(group.Finalizers) == 0:
		group.Finalizers = []string{v1alpha1.Finalizer}
		_ = c.Update(ctx, group)
	case group.Status.ObservedGeneration != group.Generation:
		group.Status.ObservedGeneration = group.Generation
		conditions.True(group, v1alpha1.NodeGroupReady, v1alpha1.ReasonReady, "played")
		_ = c.Status().Update(ctx, group)
	}
}
