package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/sigv4"
)

// raw is a request, signed with a key for a service; without a key it is not signed.
type raw struct{ method, path, key, service, body string }

// send sends what no SDK would.
func (s *site) send(t *testing.T, m raw) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), m.method, s.server.URL+m.path, strings.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	if m.key != "" {
		if err := sigv4.Sign(r, []byte(m.body), sigv4.Key{AccessKeyID: m.key, Secret: secret}, sigv4.Scope{Region: region, Service: m.service}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	response, err := s.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		members = map[string]any{"text": string(text)}
	}
	return response, members
}

// alice is an access key.
const alice = "AKIAIOSFODNN7EXAMPLE"

func TestRefusals(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		reason, method, path, key, service, body string
		status                                   int
		code, words                              string
	}{
		{"when nobody signed, it is refused", "GET", "/clusters", "", "eks", "", 403, "MissingAuthenticationTokenException", ""},
		{"when the key is unknown, it is refused", "GET", "/clusters", "AKIAIOSFODNN7UNKNOWN", "eks", "", 403, "UnrecognizedClientException", "security token"},
		{"when there is no such operation, it is refused", "GET", "/nothing", alice, "eks", "", 404, "UnknownOperationException", "GET /nothing"},
		{"when a member is unknown, it is named", "POST", "/clusters", alice, "eks", `{"name":"a","colour":1}`, 400, "InvalidParameterException", "colour"},
		{"when the body is no JSON, it is refused", "POST", "/clusters", alice, "eks", `{`, 400, "SerializationException", "JSON"},
		{"when the body is too large, it is refused", "POST", "/clusters", alice, "eks", strings.Repeat(" ", 300<<10), 413, "RequestEntityTooLargeException", "too large"},
		{"when there is no such cluster, it is not found", "GET", "/clusters/none", alice, "eks", "", 404, "ResourceNotFoundException", "No cluster found for name: none."},
		{"when a slash of an ARN is not escaped, there is no such operation", "GET", "/tags/arn:aws:eks:naru-kr-1:111122223333:cluster/a", alice, "eks", "", 404, "UnknownOperationException", ""},
		{"when an ARN is of another account, it is a bad request", "GET", "/tags/arn%3Aaws%3Aeks%3Anaru-kr-1%3A444455556666%3Acluster%2Fa", alice, "eks", "", 400, "BadRequestException", "Invalid ARN"},
		{"when an ARN names nothing, it is not found", "GET", "/tags/arn%3Aaws%3Aeks%3Anaru-kr-1%3A111122223333%3Acluster%2Fa", alice, "eks", "", 404, "NotFoundException", "No cluster"},
		{"when the service is unknown, it is said", "POST", "/", alice, "s3", "", 404, "", "no service"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			response, members := s.send(t, raw{test.method, test.path, test.key, test.service, test.body})
			text, _ := members["message"].(string)
			if all, ok := members["text"].(string); ok {
				text = all
			}
			if response.StatusCode != test.status || response.Header.Get("x-amzn-ErrorType") != test.code || !strings.Contains(text, test.words) {
				t.Errorf("got %d, %q, %v", response.StatusCode, response.Header.Get("x-amzn-ErrorType"), members)
			}
			if response.Header.Get("x-amzn-RequestId") == "" {
				t.Error("there is no request id")
			}
		})
	}
	var clusters v1alpha1.ClusterList
	if err := s.world.Client.List(t.Context(), &clusters); err != nil || len(clusters.Items) > 0 {
		t.Errorf("something was changed: %v, %v", clusters.Items, err)
	}
}

func TestInput(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	for _, test := range []struct {
		reason string
		change func(in *eks.CreateClusterInput)
		words  string
	}{
		{"when a role is another account's, it is refused", func(in *eks.CreateClusterInput) { in.RoleArn = aws.String("arn:aws:iam::444455556666:role/eks") }, "Cross-account"},
		{"when a role does not exist, it is refused in the words that Terraform tries again for", func(in *eks.CreateClusterInput) { in.RoleArn = aws.String("arn:aws:iam::111122223333:role/none") }, "does not exist"},
		{"when a role is none, it is refused", func(in *eks.CreateClusterInput) { in.RoleArn = aws.String("admin") }, "no ARN"},
		{"when a name breaks the rules, those are told", func(in *eks.CreateClusterInput) { in.Name = aws.String("My_Cluster") }, "lower-case"},
		{"when a version is not here, those that are are told", func(in *eks.CreateClusterInput) { in.Version = aws.String("1.20") }, "1.37"},
		{"when a subnet can't be, it does not exist", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"mine"} }, "does not exist"},
		{"when a range is none, it is refused", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.PublicAccessCidrs = []string{"10.0.0.0"} }, "publicAccessCidrs"},
		{"when nobody could reach the endpoint, it is refused", func(in *eks.CreateClusterInput) {
			in.ResourcesVpcConfig.EndpointPublicAccess = aws.Bool(false)
		}, "cannot both be false"},
		{"when a resource has no weight, it is refused", func(in *eks.CreateClusterInput) {
			in.KubeSchedulerConfig = scoring(types.ScoringStrategyTypeMostAllocated, types.ResourceWeight{Name: aws.String("cpu"), Weight: aws.Int32(0)})
		}, "between 1 and 100"},
		{"when a resource is named twice, it is refused", func(in *eks.CreateClusterInput) {
			in.KubeSchedulerConfig = scoring(types.ScoringStrategyTypeMostAllocated, types.ResourceWeight{Name: aws.String("cpu"), Weight: aws.Int32(1)}, types.ResourceWeight{Name: aws.String("cpu"), Weight: aws.Int32(2)})
		}, "name of its own"},
		{"when Auto Mode is asked for, it is refused", func(in *eks.CreateClusterInput) {
			in.ComputeConfig = &types.ComputeConfigRequest{Enabled: aws.Bool(true)}
		}, "Auto Mode"},
		{"when a key is to encrypt, it is refused", func(in *eks.CreateClusterInput) { in.EncryptionConfig = []types.EncryptionConfig{{}} }, "KMS"},
		{"when a range is taken by the hosting cluster, it is refused", func(in *eks.CreateClusterInput) {
			in.KubernetesNetworkConfig = &types.KubernetesNetworkConfigRequest{ServiceIpv4Cidr: aws.String("100.64.0.0/16")}
		}, "kubernetesNetworkConfig.serviceIpv4Cidr"},
		{"when a tag is AWS's own, it is refused", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"aws:x": "y"} }, "aws:"},
		{"when the size of the control plane can't be, it is refused", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{replicas: "2"} }, "2"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			in := create("other")
			test.change(in)
			_, err := client.CreateCluster(t.Context(), in)
			if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) || !strings.Contains(*invalid.Message, test.words) {
				t.Errorf("got %v, want …%s…", err, test.words)
			}
		})
	}
	var clusters v1alpha1.ClusterList
	if err := s.world.Client.List(t.Context(), &clusters); err != nil || len(clusters.Items) != 1 {
		t.Errorf("something was changed: %v, %v", clusters.Items, err)
	}
}

func TestPolicies(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	s.refused = []string{"eks:DeleteCluster", "iam:PassRole"}
	_, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("prod")})
	const want = "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: eks:DeleteCluster on resource: arn:aws:eks:naru-kr-1:111122223333:cluster/prod"
	if denied := new(types.AccessDeniedException); !errors.As(err, &denied) || !strings.HasPrefix(*denied.Message, want) {
		t.Errorf("got %v", err)
	}
	_, missing := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("none")})
	if denied := new(types.AccessDeniedException); !errors.As(missing, &denied) {
		t.Errorf("who has no rights must not learn what exists: %v", missing)
	}
	in := create("two")
	in.Tags = map[string]string{"team": "web"}
	_, err = client.CreateCluster(t.Context(), in)
	if denied := new(types.AccessDeniedException); !errors.As(err, &denied) || !strings.Contains(*denied.Message, "iam:PassRole on resource: "+role) {
		t.Errorf("a role that may not be passed: %v", err)
	}
	asked := s.asked[len(s.asked)-2]
	if asked.Context["aws:RequestTag/team"][0] != "web" || asked.Context["aws:TagKeys"][0] != "team" {
		t.Errorf("the condition keys are missing: %v", asked.Context)
	}
}

func TestAudit(t *testing.T) {
	s := newSite(t)
	client := s.client()
	if _, err := client.CreateCluster(t.Context(), create("prod")); err != nil {
		t.Fatal(err)
	}
	_, _ = client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("none")})
	events := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if len(events) != 2 {
		t.Fatalf("there are %d lines", len(events))
	}
	var created, missed audit.Event
	if err := json.Unmarshal([]byte(events[0]), &created); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(events[1]), &missed); err != nil {
		t.Fatal(err)
	}
	if created.EventName != "CreateCluster" || created.ReadOnly || created.UserIdentity.Type != "IAMUser" || created.EventSource != "eks.amazonaws.com" ||
		created.RequestParameters == nil || created.ResponseElements == nil || created.Additional.Decision != "allowed" || created.What() != "cluster/prod" || created.SourceIPAddress != "127.0.0.1" {
		t.Errorf("got %s", events[0])
	}
	if missed.EventName != "DescribeCluster" || missed.ErrorCode != "ResourceNotFoundException" || !missed.ReadOnly || string(missed.ResponseElements) != "null" {
		t.Errorf("got %s", events[1])
	}
	if strings.Contains(s.log.String(), "s3cr3t") || strings.Contains(s.log.String(), "Signature") {
		t.Error("something secret is in the log")
	}
}

// TestFlood lets ten thousand calls come at once: some are answered, the others are throttled with the modelled error, and the
// server goes on.
func TestFlood(t *testing.T) {
	s := newSite(t)
	options := s.options
	options.Limits = DefaultLimits()
	s.server.Config.Handler = New(options)
	client := s.client()
	var mu sync.Mutex
	counts := map[string]int{}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for range 200 {
				_, err := client.ListClusters(t.Context(), &eks.ListClustersInput{})
				code := "answered"
				var e smithy.APIError
				if errors.As(err, &e) {
					code = e.ErrorCode()
				} else if err != nil {
					code = err.Error()
				}
				mu.Lock()
				counts[code]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(counts) != 2 || counts["answered"] < DefaultLimits().Burst || counts["ThrottlingException"] == 0 {
		t.Errorf("got %v", counts)
	}
}
