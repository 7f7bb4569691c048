package handlers

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
)

func clusters() map[string]operation {
	return map[string]operation{
		"CreateCluster": reduced("names are Naru's (1 to 40 lower-case letters, digits and dashes); subnets and security groups are kept and told again, "+
			"but mean nothing; members that Naru can't do (Auto Mode, Outposts, IPv6, KMS keys, remote networks, zonal shift) are refused by name; "+
			"of the authentication modes API and API_AND_CONFIG_MAP are the same, and access entries say who may enter: the ConfigMap aws-auth is not read; "+
			"the tag naru.dev/control-plane-replicas (1 or 3) sizes the control plane", (*Handlers).createCluster),
		"DescribeCluster": full((*Handlers).describeCluster),
		"ListClusters":    full((*Handlers).listClusters),
		"DeleteCluster":   full((*Handlers).deleteCluster),
		"DescribeClusterVersions": reduced("the releases that this Naru has; they have no dates of support, so none are told",
			(*Handlers).describeClusterVersions),
		"UpdateClusterConfig": reduced("real: deletionProtection, endpointPublicAccess and publicAccessCidrs (addresses are those that connect to 127.0.0.1; connections of who may no longer are ended; nodes and Naru reach the API inside, whatever is said), settings of the API server, the controller manager and the scheduler, the control plane's tier (a provisioned one needs 3 replicas; one that the hosting cluster has no room for is an update that has failed, and is made as soon as there is), the logs of types audit and authenticator, which naru logs prints; kept and told again: endpointPrivateAccess, subnets, security groups, logging of api, controllerManager and scheduler, "+
			"access mode, support type; everything else is refused by name", (*Handlers).updateClusterConfig),
	}
}

func (h *Handlers) describeCluster(ctx context.Context, in *eks.DescribeClusterInput) (*eks.DescribeClusterOutput, error) {
	cluster, err := h.Backend.Cluster(ctx, *in.Name)
	if backend.IsConnected(err) {
		return h.describeConnected(ctx, *in.Name)
	}
	if err != nil {
		return nil, subject{cluster: *in.Name}.exception(err)
	}
	return &eks.DescribeClusterOutput{Cluster: h.Site.Cluster(cluster)}, nil
}

func (h *Handlers) listClusters(ctx context.Context, in *eks.ListClustersInput) (*eks.ListClustersOutput, error) {
	all, err := h.Backend.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	connected, err := h.included(ctx, in.Include)
	if err != nil {
		return nil, err
	}
	names = append(names, connected...)
	part, next, err := page(subject{}, pages{append([]string{"ListClusters"}, in.Include...), in.MaxResults, in.NextToken}, names, itself)
	return &eks.ListClustersOutput{Clusters: part, NextToken: next}, err
}

func (h *Handlers) createCluster(ctx context.Context, in *eks.CreateClusterInput) (*eks.CreateClusterOutput, error) {
	about := subject{cluster: aws.ToString(in.Name)}
	cluster, err := newCluster(in, h.Site)
	if err != nil {
		return nil, err
	}
	if err := h.trusted(ctx, *in.RoleArn, "eks.amazonaws.com", func(arn string) error {
		return about.invalid("Role with arn: %s, could not be assumed because it does not exist or the trusted entity is not correct", arn)
	}); err != nil {
		return nil, err
	}
	if cluster.Spec.Version == "" {
		if cluster.Spec.Version, err = h.defaultVersion(ctx); err != nil {
			return nil, err
		}
	}
	token := h.token("CreateCluster", in.ClientRequestToken, in)
	convert.SetToken(cluster, token)
	err = h.Backend.CreateCluster(ctx, cluster)
	if exists(err) {
		cluster, err = h.firstCluster(ctx, about, token)
	}
	if err != nil {
		return nil, about.exception(err)
	}
	if convert.Note[convert.ClusterAsked](cluster, v1alpha1.AnnotationAsked).BootstrapCreatorAdmin {
		if err := h.admitCreator(ctx, cluster.Name); err != nil {
			return nil, about.exception(err)
		}
	}
	return &eks.CreateClusterOutput{Cluster: h.Site.Cluster(cluster)}, nil
}

// trusted errs, as refusal says, unless a role lets a service of AWS assume it.
func (h *Handlers) trusted(ctx context.Context, arn, service string, refusal func(arn string) error) error {
	exists, trusts, err := h.Roles.Trusts(ctx, arn, service)
	if err == nil && !(exists && trusts) {
		return refusal(arn)
	}
	return err
}

// defaultVersion is the newest release's.
func (h *Handlers) defaultVersion(ctx context.Context) (string, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil || len(catalogue.Releases) == 0 {
		return "", err
	}
	return catalogue.Releases[0].Name, nil
}

// token is the idempotency token of a request with everything that it asks.
func (h *Handlers) token(operation string, token *string, input any) convert.Token {
	o, ok := h.Model.Operation(operation)
	if !ok {
		return convert.Token{}
	}
	return convert.NewToken(token, o.EncodeMembers(input))
}

func exists(err error) bool {
	var refused *backend.RefusedError
	return errors.As(err, &refused) && refused.Reason == backend.Exists
}

// firstCluster is the answer to a creation that was sent twice: what the first one made.
func (h *Handlers) firstCluster(ctx context.Context, about subject, token convert.Token) (*v1alpha1.Cluster, error) {
	cluster, err := h.Backend.Cluster(ctx, about.cluster)
	if backend.IsConnected(err) {
		return nil, about.taken()
	}
	if err != nil {
		return nil, err
	}
	return cluster, about.repeated(token, convert.TokenOf(cluster), "Cluster already exists with name: "+about.cluster)
}

// repeated tells whether a request repeats the one that made an object, and errs where it does not.
func (s subject) repeated(token, first convert.Token, taken string) error {
	same, request := token.Same(first)
	switch {
	case !same:
		return s.inUse("%s", taken)
	case !request:
		return s.invalid("clientRequestToken was used before with other parameters")
	}
	return nil
}

// admitCreator gives who creates a cluster all rights in it. The account's root has them nowhere: it
// is no principal that an entry could name.
func (h *Handlers) admitCreator(ctx context.Context, cluster string) error {
	caller, ok := iam.CallerFrom(ctx)
	if !ok || caller.IsRoot() {
		return nil
	}
	entry := newEntry(cluster, caller.Principal)
	entry.Spec.Policies = []v1alpha1.AccessPolicyAssociation{{
		Policy: "AmazonEKSClusterAdminPolicy", Scope: v1alpha1.AccessScope{Type: string(types.AccessScopeTypeCluster)},
	}}
	h.stamp(&entry.Spec.Policies[0])
	if err := h.Backend.CreateAccessEntry(ctx, entry); err != nil && !exists(err) {
		return err
	}
	return nil
}

// deleteCluster answers once the deletion is in the store: waiters take any other status for a failure.
func (h *Handlers) deleteCluster(ctx context.Context, in *eks.DeleteClusterInput) (*eks.DeleteClusterOutput, error) {
	about := subject{cluster: *in.Name}
	groups, err := h.Backend.NodeGroups(ctx, *in.Name)
	if err != nil {
		return nil, about.exception(err)
	}
	cluster, err := h.Backend.Cluster(ctx, *in.Name)
	if err != nil {
		return nil, about.exception(err)
	}
	if err := backend.Deletable(cluster); err != nil {
		return nil, about.exception(err)
	}
	if len(groups) > 0 {
		return nil, &types.ResourceInUseException{Message: aws.String("Cluster has nodegroups attached"), ClusterName: in.Name, NodegroupName: &groups[0].Name}
	}
	if profiles, err := h.Backend.FargateProfiles(ctx, *in.Name); err != nil {
		return nil, about.exception(err)
	} else if len(profiles) > 0 {
		return nil, about.inUse("Cluster has Fargate profiles attached: %s", profiles[0].Name)
	}
	if update := convert.Running(cluster, cluster.Status.ObservedGeneration); update != nil {
		return nil, about.inUse("Cannot DeleteCluster because cluster %s currently has update %s in progress", *in.Name, update.ID)
	}
	if err := h.Backend.DeleteCluster(ctx, *in.Name); err != nil {
		return nil, about.exception(err)
	}
	if cluster, err = h.Backend.Cluster(ctx, *in.Name); err == nil {
		return &eks.DeleteClusterOutput{Cluster: h.Site.Cluster(cluster)}, nil
	}
	var gone *backend.NotFoundError
	if !errors.As(err, &gone) {
		return nil, about.exception(err)
	}
	last := &types.Cluster{Name: in.Name, Arn: aws.String(h.Site.ClusterARN(*in.Name)), Status: types.ClusterStatusDeleting, CreatedAt: aws.Time(h.Now())}
	return &eks.DeleteClusterOutput{Cluster: last}, nil
}

func (h *Handlers) describeClusterVersions(ctx context.Context, in *eks.DescribeClusterVersionsInput) (*eks.DescribeClusterVersionsOutput, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	var versions []types.ClusterVersionInformation
	for i, release := range catalogue.Releases {
		isDefault := i == 0 // the newest comes first
		if aws.ToBool(in.DefaultOnly) && !isDefault || len(in.ClusterVersions) > 0 && !slices.Contains(in.ClusterVersions, release.Name) {
			continue
		}
		versions = append(versions, types.ClusterVersionInformation{
			ClusterType: aws.String("eks"), ClusterVersion: aws.String(release.Name), DefaultVersion: isDefault,
			KubernetesPatchVersion: aws.String(release.Spec.Version), DefaultPlatformVersion: convert.PlatformVersion(release.Spec.Version),
			Status: types.ClusterVersionStatusStandardSupport, VersionStatus: types.VersionStatusStandardSupport,
			ControlPlaneScalingTiers: convert.Tiers(),
		})
	}
	older := in.Status //nolint:staticcheck // clients of before versionStatus send it
	versions = slices.DeleteFunc(versions, func(v types.ClusterVersionInformation) bool {
		return in.VersionStatus != "" && in.VersionStatus != v.VersionStatus || older != "" && older != v.Status ||
			in.ClusterType != nil && *in.ClusterType != *v.ClusterType
	})
	part, next, err := page(subject{}, pages{append([]string{"DescribeClusterVersions", aws.ToString(in.ClusterType), string(older)}, in.ClusterVersions...), in.MaxResults, in.NextToken},
		versions, func(v types.ClusterVersionInformation) string { return *v.ClusterVersion })
	return &eks.DescribeClusterVersionsOutput{ClusterVersions: part, NextToken: next}, err
}
