package server

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

// soon is how long a waiter may pause; the simulated world needs no time.
const soon = time.Millisecond

func create(name string) *eks.CreateClusterInput {
	return &eks.CreateClusterInput{Name: &name, RoleArn: aws.String(role), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{subnet}}}
}

func active(t *testing.T, client *eks.Client, name string) {
	t.Helper()
	if _, err := client.CreateCluster(t.Context(), create(name)); err != nil {
		t.Fatal(err)
	}
	waiter := eks.NewClusterActiveWaiter(client, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := waiter.Wait(t.Context(), &eks.DescribeClusterInput{Name: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func group(cluster, name string) *eks.CreateNodegroupInput {
	return &eks.CreateNodegroupInput{ClusterName: &cluster, NodegroupName: &name, NodeRole: aws.String(role), Subnets: []string{subnet},
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(3), DesiredSize: aws.Int32(2)}}
}

// TestWaiters goes the whole way with the waiters of AWS's SDK, which take any state that they do not
// expect for a failure.
func TestWaiters(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	if _, err := client.CreateNodegroup(t.Context(), group("prod", "web")); err != nil {
		t.Fatal(err)
	}
	which := &eks.DescribeNodegroupInput{ClusterName: aws.String("prod"), NodegroupName: aws.String("web")}
	ready := eks.NewNodegroupActiveWaiter(client, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := ready.Wait(t.Context(), which, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("prod")})
	if inUse := new(types.ResourceInUseException); !errors.As(err, &inUse) || *inUse.Message != "Cluster has nodegroups attached" || *inUse.NodegroupName != "web" {
		t.Errorf("a cluster with a node group: got %v", err)
	}
	if _, err := client.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String("prod"), NodegroupName: aws.String("web")}); err != nil {
		t.Fatal(err)
	}
	gone := eks.NewNodegroupDeletedWaiter(client, func(o *eks.NodegroupDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := gone.Wait(t.Context(), which, time.Minute); err != nil {
		t.Fatal(err)
	}
	deleted, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("prod")})
	if err != nil || deleted.Cluster.Status != types.ClusterStatusDeleting {
		t.Fatalf("got %v, %v", deleted, err)
	}
	over := eks.NewClusterDeletedWaiter(client, func(o *eks.ClusterDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := over.Wait(t.Context(), &eks.DescribeClusterInput{Name: aws.String("prod")}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestDescribeCluster(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	out, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("prod")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Cluster
	got := []string{*c.Arn, *c.Endpoint, *c.Version, *c.PlatformVersion, string(c.Status), string(c.AccessConfig.AuthenticationMode), *c.KubernetesNetworkConfig.ServiceIpv4Cidr}
	want := []string{"arn:aws:eks:naru-kr-1:111122223333:cluster/prod", "https://127.0.0.1:6500", "1.37", "eks.2", "ACTIVE", "API", "10.96.0.0/16"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c.CreatedAt == nil || c.CreatedAt.IsZero() {
		t.Error("without createdAt Terraform's provider panics")
	}
	if !strings.HasPrefix(*c.CertificateAuthority.Data, "LS0tLS1CRUdJTi") {
		t.Errorf("the authority is no PEM in base64: %s", *c.CertificateAuthority.Data)
	}
	if n := len(c.Logging.ClusterLogging); n != 1 || *c.Logging.ClusterLogging[0].Enabled || len(c.Logging.ClusterLogging[0].Types) != 5 {
		t.Errorf("all five logs should be told to be off: %+v", c.Logging.ClusterLogging)
	}
	entries, err := client.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("prod")})
	if err != nil || !slices.Equal(entries.AccessEntries, []string{"arn:aws:iam::111122223333:user/alice"}) {
		t.Errorf("the creator has no entry: %v, %v", entries, err)
	}
}

func TestIdempotency(t *testing.T) {
	s := newSite(t)
	client := s.client()
	first := create("prod")
	first.ClientRequestToken = aws.String("token-1")
	if _, err := client.CreateCluster(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again, err := client.CreateCluster(t.Context(), first)
	if err != nil || *again.Cluster.Name != "prod" || *again.Cluster.ClientRequestToken != "token-1" {
		t.Errorf("the same request again: %v, %v", again, err)
	}
	other := create("prod")
	other.ClientRequestToken, other.Version = aws.String("token-1"), aws.String("1.36")
	_, err = client.CreateCluster(t.Context(), other)
	if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) {
		t.Errorf("the same token with another version: %v", err)
	}
	_, err = client.CreateCluster(t.Context(), create("prod"))
	if inUse := new(types.ResourceInUseException); !errors.As(err, &inUse) || *inUse.Message != "Cluster already exists with name: prod" {
		t.Errorf("another token: %v", err)
	}
}

func TestPages(t *testing.T) {
	s := newSite(t)
	client := s.client()
	var want []string
	for _, name := range []string{"e", "b", "d", "a", "c"} {
		if _, err := client.CreateCluster(t.Context(), create(name)); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	slices.Sort(want)
	var got []string
	pages := eks.NewListClustersPaginator(client, &eks.ListClustersInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Clusters...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first, err := client.ListClusters(t.Context(), &eks.ListClustersInput{MaxResults: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	for reason, call := range map[string]func() error{
		"a token of another list": func() error {
			_, err := client.ListAccessPolicies(t.Context(), &eks.ListAccessPoliciesInput{NextToken: first.NextToken})
			return err
		},
		"a token that nobody gave out": func() error {
			_, err := client.ListClusters(t.Context(), &eks.ListClustersInput{NextToken: aws.String("x")})
			return err
		},
		"a page of nothing": func() error {
			_, err := client.ListClusters(t.Context(), &eks.ListClustersInput{MaxResults: aws.Int32(0)})
			return err
		},
		"a page of too many": func() error {
			_, err := client.ListClusters(t.Context(), &eks.ListClustersInput{MaxResults: aws.Int32(101)})
			return err
		},
	} {
		if invalid := new(types.InvalidParameterException); !errors.As(call(), &invalid) {
			t.Errorf("%s: %v", reason, call())
		}
	}
}
