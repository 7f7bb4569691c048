package wire

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

func nobody(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "none"}, nil
}

func TestMatch(t *testing.T) {
	m := model(t)
	const arn = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fteam%2F..%2Fdev"
	for _, test := range []struct{ reason, method, path, want string }{
		{"when a label holds an escaped slash, it stays one label", "GET", "/clusters/prod/access-entries/" + arn, "DescribeAccessEntry"},
		{"when two labels are ARNs, both stay whole", "DELETE", "/clusters/prod/access-entries/" + arn + "/access-policies/" + arn, "DisassociateAccessPolicy"},
		{"when only the method differs, it is another operation", "POST", "/clusters/prod/access-entries/" + arn, "UpdateAccessEntry"},
		{"when a slash of an ARN is not escaped, there is no such operation", "GET", "/tags/arn:aws:eks:r:1:cluster/prod", ""},
		{"when a label is empty, there is no such operation", "GET", "/clusters/", ""},
		{"when slashes are doubled, there is no such operation", "GET", "//clusters", ""},
		{"when the method is none of its, there is no such operation", "PUT", "/clusters", ""},
		{"when the path is the root, there is no such operation", "GET", "/", ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			operation, err := m.Match(test.method, test.path)
			var problem *RequestError
			if test.want == "" && (!errors.As(err, &problem) || problem.Problem != UnknownOperation) {
				t.Fatalf("got %v, %v", operation, err)
			}
			if test.want != "" && (err != nil || operation.Name != test.want) {
				t.Fatalf("got %v, %v", operation, err)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	m := model(t)
	const path = "/clusters/prod/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fteam%2F..%2Fdev+x"
	operation, err := m.Match("GET", path)
	if err != nil {
		t.Fatal(err)
	}
	input, err := operation.Decode(Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	got := input.(*eks.DescribeAccessEntryInput)
	if *got.ClusterName != "prod" || *got.PrincipalArn != "arn:aws:iam::111122223333:role/team/../dev+x" {
		t.Errorf("got %s, %s", *got.ClusterName, *got.PrincipalArn)
	}
}

func TestRefusals(t *testing.T) {
	m := model(t)
	deep := `{"logging":` + strings.Repeat("[", 100000)
	for _, test := range []struct {
		reason, operation, body, query string
		problem                        Problem
		words                          string
	}{
		{"when a member is unknown, it is named", "CreateCluster", `{"name":"a","colour":"red"}`, "", Invalid, "unknown member colour"},
		{"when a nested member is unknown, its place is named", "CreateCluster", `{"accessConfig":{"mode":"API"}}`, "", Invalid, "unknown member accessConfig.mode"},
		{"when a member differs in case, it is unknown", "CreateCluster", `{"Name":"a"}`, "", Invalid, "unknown member Name"},
		{"when a label is in the body, it is unknown", "DescribeCluster", `{"name":"a"}`, "", Invalid, "unknown member name"},
		{"when a query parameter is unknown, it is named", "ListClusters", "", "limit=3", Invalid, "unknown query parameter limit"},
		{"when a value is none of an enumeration, those are named", "CreateCluster", `{"accessConfig":{"authenticationMode":"NONE"}}`, "", Invalid, "none of API"},
		{"when a string is a number, it is refused", "CreateCluster", `{"name":7}`, "", Malformed, "name must be a string"},
		{"when a number has a fraction, it is refused", "CreateNodegroup", `{"diskSize":1.5}`, "", Malformed, "no integer"},
		{"when a number is too great, it is refused", "CreateNodegroup", `{"diskSize":3000000000}`, "", Malformed, "no integer"},
		{"when an element is null, it is refused", "CreateNodegroup", `{"subnets":[null]}`, "", Malformed, "subnets[0] must be a string"},
		{"when a list is an object, it is refused", "CreateNodegroup", `{"subnets":{}}`, "", Malformed, "subnets must be a list"},
		{"when a member is doubled, it is refused", "CreateCluster", `{"name":"a","name":"b"}`, "", Malformed, "name is there twice"},
		{"when a tag is doubled, it is refused", "CreateCluster", `{"tags":{"a":"1","a":"2"}}`, "", Malformed, "tags.a is there twice"},
		{"when something follows, it is refused", "CreateCluster", `{} {}`, "", Malformed, "follows"},
		{"when the body is a list, it is refused", "CreateCluster", `[]`, "", Malformed, "no JSON object"},
		{"when the body is cut off, it is refused", "CreateCluster", `{"name":"a"`, "", Malformed, "no valid JSON"},
		{"when the body is too deep, the first wrong level ends it", "CreateCluster", deep, "", Malformed, "logging must be an object"},
		{"when the body is too large, it is not looked at", "CreateCluster", strings.Repeat(" ", MaxBody+1), "", TooLarge, "larger than"},
		{"when a parameter is doubled, it is refused", "ListClusters", "", "maxResults=1&maxResults=2", Invalid, "2 times"},
		{"when a parameter is no number, it is refused", "ListClusters", "", "maxResults=all", Malformed, "no integer"},
		{"when a flag is neither true nor false, it is refused", "DeleteAddon", "", "preserve=yes", Invalid, "neither true nor false"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			operation, _ := m.Operation(test.operation)
			query, err := url.ParseQuery(test.query)
			if err != nil {
				t.Fatal(err)
			}
			path := strings.NewReplacer("{name}", "a", "{clusterName}", "a", "{addonName}", "b").Replace(operation.Path)
			_, err = operation.Decode(Request{path, query, []byte(test.body)})
			var problem *RequestError
			if !errors.As(err, &problem) || problem.Problem != test.problem || !strings.Contains(problem.Message, test.words) {
				t.Errorf("got %v, want …%s…", err, test.words)
			}
		})
	}
}

func TestAbsence(t *testing.T) {
	m := model(t)
	create, _ := m.Operation("CreateCluster")
	input, err := create.Decode(Request{Path: "/clusters", Body: []byte(`{"name":null,"tags":{},"version":"","deletionProtection":false}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := &eks.CreateClusterInput{Tags: map[string]string{}, Version: aws.String(""), DeletionProtection: aws.Bool(false)}
	if diff := cmp.Diff(fmt.Sprintf("%+v", want.Tags), fmt.Sprintf("%+v", input.(*eks.CreateClusterInput).Tags)); diff != "" || input.(*eks.CreateClusterInput).Name != nil {
		t.Errorf("null is not absence: %s", diff)
	}
	if got := string(create.EncodeMembers(input)); got != `{"deletionProtection":false,"tags":{},"version":""}` {
		t.Errorf("got %s", got)
	}
}

func TestAnswers(t *testing.T) {
	m := model(t)
	describe, _ := m.Operation("DescribeCluster")
	output := &eks.DescribeClusterOutput{Cluster: &types.Cluster{
		Name: aws.String("<a&b>\u2028"), CreatedAt: aws.Time(time.UnixMilli(1700000000123)),
		ResourcesVpcConfig: &types.VpcConfigResponse{SubnetIds: []string{}}, Tags: map[string]string{"b": "2", "a": "1"},
	}}
	const want = `{"cluster":{"createdAt":1700000000.123,"name":"<a&b>\u2028","resourcesVpcConfig":{"endpointPrivateAccess":false,"endpointPublicAccess":false,"subnetIds":[]},"tags":{"a":"1","b":"2"}}}`
	if got := string(describe.Encode(output)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	m := model(f)
	f.Add("CreateCluster", `{"name":"a","tags":{"a":"b"},"resourcesVpcConfig":{"subnetIds":["x"]}}`)
	f.Add("CreateNodegroup", `{"scalingConfig":{"minSize":1},"taints":[{"key":"a"}]}`)
	f.Add("ListInsights", `{"filter":{"categories":["UPGRADE_READINESS"]},"maxResults":3}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		operation, ok := m.Operation(name)
		if !ok {
			return
		}
		input, err := operation.DecodeMembers([]byte(body))
		if err != nil {
			var problem *RequestError
			if !errors.As(err, &problem) {
				t.Errorf("%v is no answer", err)
			}
			return
		}
		once := operation.EncodeMembers(input)
		again, err := operation.DecodeMembers(once)
		if err != nil {
			t.Fatalf("%v, though naru wrote it: %s", err, once)
		}
		if twice := operation.EncodeMembers(again); string(once) != string(twice) {
			t.Errorf("%s\n%s", once, twice)
		}
	})
}

func TestParseMembers(t *testing.T) {
	m := model(t)
	create, _ := m.Operation("CreateNodegroup")
	input, err := create.ParseMembers(map[string]string{"clusterName": "prod", "subnets": "a,b", "version": "1.37", "diskSize": "20",
		"scalingConfig": `{"minSize":1}`, "amiType": "CUSTOM"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"amiType":"CUSTOM","clusterName":"prod","diskSize":20,"scalingConfig":{"minSize":1},"subnets":["a","b"],"version":"1.37"}`
	if got := string(create.EncodeMembers(input)); got != want {
		t.Errorf("got %s", got)
	}
	for reason, members := range map[string]map[string]string{
		"an unknown member": {"colour": "red"}, "a structure that is no JSON": {"scalingConfig": "big"}, "a value of no enumeration": {"amiType": "MINE"},
	} {
		if _, err := create.ParseMembers(members); err == nil {
			t.Errorf("%s is accepted", reason)
		}
	}
}
