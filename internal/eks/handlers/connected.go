package handlers

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
)

// connectorService is who has to be trusted by the role of a connector.
const connectorService = "ssm.amazonaws.com"

// includeAll asks ListClusters for connected clusters, too.
const includeAll = "all"

func connected() map[string]operation {
	return map[string]operation{
		"RegisterCluster": reduced("names are Naru's (1 to 40 lower-case letters, digits and dashes); the role has to exist and to trust "+connectorService+", and nothing assumes it: the agent, whose manifest "+
			"\"naru register cluster NAME --answer FILE\" prints, is known by its key; a call that is sent again gets another activation, as codes are not kept", (*Handlers).registerCluster),
		"DeregisterCluster": full((*Handlers).deregisterCluster),
	}
}

func (h *Handlers) registerCluster(ctx context.Context, in *eks.RegisterClusterInput) (*eks.RegisterClusterOutput, error) {
	about := subject{cluster: aws.ToString(in.Name)}
	if err := about.missing(given("name", in.Name), member{"connectorConfig", in.ConnectorConfig != nil}); err != nil {
		return nil, err
	}
	config := in.ConnectorConfig
	if err := about.missing(member{"connectorConfig.provider", config.Provider != ""}, given("connectorConfig.roleArn", config.RoleArn)); err != nil {
		return nil, err
	}
	if !slices.Contains(config.Provider.Values(), config.Provider) {
		return nil, about.invalid("connectorConfig.provider: %q is no provider: there are %v", config.Provider, config.Provider.Values())
	}
	if err := about.role("connectorConfig.roleArn", *config.RoleArn, h.Site); err != nil {
		return nil, err
	}
	if err := about.validTags(in.Tags); err != nil {
		return nil, err
	}
	if err := h.trusted(ctx, *config.RoleArn, connectorService, func(arn string) error {
		return about.invalid("The role %s does not exist or its trust policy does not allow %s", arn, connectorService)
	}); err != nil {
		return nil, err
	}
	cluster := backend.NewConnectedCluster(*in.Name, string(config.Provider), *config.RoleArn)
	if err := convert.SetTags(cluster, in.Tags); err != nil {
		return nil, err
	}
	token := h.token("RegisterCluster", in.ClientRequestToken, in)
	convert.SetToken(cluster, token)
	code, err := h.Backend.RegisterCluster(ctx, cluster, h.Now())
	if exists(err) {
		cluster, code, err = h.registeredAgain(ctx, about, token)
	}
	if err != nil {
		return nil, about.exception(err)
	}
	shape := h.Site.ConnectedCluster(cluster, h.Now())
	shape.ConnectorConfig.ActivationCode = &code
	return &eks.RegisterClusterOutput{Cluster: shape}, nil
}

// registeredAgain is the answer to a registration that was sent twice: its code can't be told again, so it is another one.
func (h *Handlers) registeredAgain(ctx context.Context, about subject, token convert.Token) (*v1alpha1.ConnectedCluster, string, error) {
	first, err := h.Backend.ConnectedCluster(ctx, about.cluster)
	if err != nil {
		return nil, "", about.taken() // a cluster that is not a connected one
	}
	if err := about.repeated(token, convert.TokenOf(first), "Cluster already exists with name: "+about.cluster); err != nil {
		return nil, "", err
	}
	return h.Backend.RenewActivation(ctx, about.cluster, h.Now())
}

func (s subject) taken() error { return s.inUse("Cluster already exists with name: %s", s.cluster) }

func (h *Handlers) describeConnected(ctx context.Context, name string) (*eks.DescribeClusterOutput, error) {
	cluster, err := h.Backend.ConnectedCluster(ctx, name)
	if err != nil {
		return nil, subject{cluster: name}.exception(err)
	}
	return &eks.DescribeClusterOutput{Cluster: h.Site.ConnectedCluster(cluster, h.Now())}, nil
}

func (h *Handlers) deregisterCluster(ctx context.Context, in *eks.DeregisterClusterInput) (*eks.DeregisterClusterOutput, error) {
	about := subject{cluster: *in.Name}
	if _, err := h.Backend.Cluster(ctx, *in.Name); err == nil {
		return nil, about.request("Cluster %s is not a connected cluster: delete it with DeleteCluster", *in.Name)
	} else if !backend.IsConnected(err) {
		return nil, about.exception(err)
	}
	cluster, err := h.Backend.DeregisterCluster(ctx, *in.Name)
	if err != nil {
		return nil, about.exception(err)
	}
	shape := h.Site.ConnectedCluster(cluster, h.Now())
	shape.Status = types.ClusterStatusDeleting
	return &eks.DeregisterClusterOutput{Cluster: shape}, nil
}

// included are the names of connected clusters, where a list is to have them.
func (h *Handlers) included(ctx context.Context, include []string) ([]string, error) {
	for _, word := range include {
		if word != includeAll {
			return nil, subject{}.invalid("include: %q can't be: all includes connected clusters", word)
		}
	}
	if len(include) == 0 {
		return nil, nil
	}
	all, err := h.Backend.ConnectedClusters(ctx)
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names, err
}

// clusterOf is a cluster that may be a connected one: what they have in common, as tags.
func (h *Handlers) clusterOf(ctx context.Context, name string) (metav1.Object, error) {
	cluster, err := h.Backend.Cluster(ctx, name)
	if backend.IsConnected(err) {
		return h.Backend.ConnectedCluster(ctx, name)
	}
	return cluster, err
}
