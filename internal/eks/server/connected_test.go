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

	"naru.dev/naru/internal/eks/convert"
)

func registration(name, token string) *eks.RegisterClusterInput {
	return &eks.RegisterClusterInput{Name: &name, ClientRequestToken: &token, Tags: map[string]string{"team": "a"},
		ConnectorConfig: &types.ConnectorConfigRequest{Provider: types.ConnectorConfigProviderGke, RoleArn: aws.String(role)}}
}

func TestRegistered(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	out, err := client.RegisterCluster(t.Context(), registration("foreign", "one"))
	if err != nil {
		t.Fatal(err)
	}
	config := out.Cluster.ConnectorConfig
	if left := time.Until(*config.ActivationExpiry); out.Cluster.Status != types.ClusterStatusPending || *config.Provider != "GKE" || *config.RoleArn != role ||
		len(*config.ActivationCode) < 20 || left < 71*time.Hour || left > 73*time.Hour {
		t.Errorf("it is answered with %+v, %+v", out.Cluster, config)
	}
	t.Run("when it is described, everything is told but the code", func(t *testing.T) {
		described, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("foreign")})
		if err != nil || *described.Cluster.ConnectorConfig.ActivationId != *config.ActivationId || described.Cluster.ConnectorConfig.ActivationCode != nil || described.Cluster.Tags["team"] != "a" {
			t.Errorf("%+v, %v", described, err)
		}
		if strings.Contains(s.log.String(), *config.ActivationCode) || !strings.Contains(s.log.String(), *config.ActivationId) {
			t.Error("the audit log has the code, or not the call")
		}
	})
	t.Run("when clusters are listed, it is among them if that is asked for", func(t *testing.T) {
		for word, want := range map[string][]string{"": {"prod"}, "all": {"foreign", "prod"}} {
			in := &eks.ListClustersInput{}
			if word != "" {
				in.Include = []string{word}
			}
			if listed, err := client.ListClusters(t.Context(), in); err != nil || !slices.Equal(listed.Clusters, want) {
				t.Errorf("%q: %+v, %v", word, listed, err)
			}
		}
		_, err := client.ListClusters(t.Context(), &eks.ListClustersInput{Include: []string{"ALL"}})
		wantCode(t, err, "InvalidParameterException", "include")
	})
	t.Run("when the call is sent again, the code is another, of the same cluster", func(t *testing.T) {
		again, err := client.RegisterCluster(t.Context(), registration("foreign", "one"))
		if err != nil || *again.Cluster.ConnectorConfig.ActivationCode == *config.ActivationCode || *again.Cluster.Name != "foreign" {
			t.Errorf("%+v, %v", again, err)
		}
	})
	t.Run("when it is tagged, it has the tag", func(t *testing.T) {
		arn := aws.String(convert.Site{Account: account, Region: region}.ClusterARN("foreign"))
		if _, err := client.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"more": "b"}}); err != nil {
			t.Fatal(err)
		}
		if tags, err := client.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn}); err != nil || len(tags.Tags) != 2 {
			t.Errorf("%+v, %v", tags, err)
		}
	})
	t.Run("when it is deregistered, it is gone", func(t *testing.T) {
		out, err := client.DeregisterCluster(t.Context(), &eks.DeregisterClusterInput{Name: aws.String("foreign")})
		if err != nil || out.Cluster.Status != types.ClusterStatusDeleting {
			t.Fatalf("%+v, %v", out, err)
		}
		_, err = client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("foreign")})
		wantCode(t, err, "ResourceNotFoundException", "No cluster found for name: foreign.")
	})
}

func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	var problem interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &problem) || problem.ErrorCode() != code || !strings.Contains(problem.ErrorMessage(), text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func TestNotRegistered(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	if _, err := client.RegisterCluster(t.Context(), registration("foreign", "one")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name       string
		change     func(*eks.RegisterClusterInput)
		code, text string
	}{
		{"when another one has the name", func(in *eks.RegisterClusterInput) { in.Name = aws.String("foreign") }, "ResourceInUseException", "already exists"},
		{"when a cluster of Naru's has the name", func(in *eks.RegisterClusterInput) { in.Name = aws.String("prod") }, "ResourceInUseException", "already exists"},
		{"when the provider is unknown", func(in *eks.RegisterClusterInput) { in.ConnectorConfig.Provider = "HEROKU" }, "InvalidParameterException", "HEROKU"},
		{"when the name can't be", func(in *eks.RegisterClusterInput) { in.Name = aws.String("Foreign_1") }, "InvalidParameterException", "name"},
		{"when the role is none", func(in *eks.RegisterClusterInput) {
			in.ConnectorConfig.RoleArn = aws.String("arn:aws:iam::111122223333:role/none")
		}, "InvalidParameterException", "ssm.amazonaws.com"},
		{"when the role may not be passed", func(*eks.RegisterClusterInput) { s.refused = []string{"iam:PassRole"} }, "AccessDeniedException", "iam:PassRole"},
		{"when the caller may not", func(*eks.RegisterClusterInput) { s.refused = []string{"eks:RegisterCluster"} }, "AccessDeniedException", "eks:RegisterCluster"},
	} {
		t.Run(test.name+", it is refused, and nothing is changed", func(t *testing.T) {
			in := registration("another", "two")
			test.change(in)
			_, err := client.RegisterCluster(t.Context(), in)
			wantCode(t, err, test.code, test.text)
			listed, err := client.ListClusters(t.Context(), &eks.ListClustersInput{Include: []string{"all"}})
			if err != nil || !slices.Equal(listed.Clusters, []string{"foreign", "prod"}) {
				t.Errorf("there are %+v, %v", listed, err)
			}
		})
	}
}

// TestNotManaged asks of a connected cluster what can only be asked of Naru's own, and the other way round.
func TestNotManaged(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	if _, err := client.RegisterCluster(t.Context(), registration("foreign", "one")); err != nil {
		t.Fatal(err)
	}
	name := aws.String("foreign")
	for what, call := range map[string]func() error{
		"a node group": func() error { _, err := client.CreateNodegroup(t.Context(), group(*name, "web")); return err },
		"its node groups": func() error {
			_, err := client.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: name})
			return err
		},
		"its deletion": func() error {
			_, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: name})
			return err
		},
	} {
		wantCode(t, call(), "InvalidRequestException", "connected cluster")
		t.Log(what)
	}
	in := create("foreign")
	_, err := client.CreateCluster(t.Context(), in)
	wantCode(t, err, "ResourceInUseException", "Cluster already exists with name: foreign")
	_, err = client.DeregisterCluster(t.Context(), &eks.DeregisterClusterInput{Name: aws.String("prod")})
	wantCode(t, err, "InvalidRequestException", "not a connected cluster")
	_, err = client.DeregisterCluster(t.Context(), &eks.DeregisterClusterInput{Name: aws.String("none")})
	wantCode(t, err, "ResourceNotFoundException", "No cluster found for name: none.")
}
