package handlers

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

func addons() map[string]operation {
	const comes = "coredns, eks-pod-identity-agent and vpc-cni (both are Naru's own agent), kube-proxy and metrics-server come with every cluster, in the version of its release"
	return map[string]operation{
		"CreateAddon":                reduced(comes+": an add-on says that one is to be told of; configuration, roles and other versions are refused by name", (*Handlers).createAddon),
		"DescribeAddon":              reduced(comes, (*Handlers).describeAddon),
		"ListAddons":                 reduced("those that CreateAddon named", (*Handlers).listAddons),
		"UpdateAddon":                reduced("there is one version and no configuration, so nothing is left to do", (*Handlers).updateAddon),
		"DeleteAddon":                reduced("it is told of no longer; the component stays, with or without preserve, because every cluster has it", (*Handlers).deleteAddon),
		"DescribeAddonVersions":      reduced(comes, (*Handlers).describeAddonVersions),
		"DescribeAddonConfiguration": reduced("the schema allows no property: there is nothing to configure", (*Handlers).describeAddonConfiguration),
	}
}

// builtIn is a component of every cluster.
type builtIn struct{ name, kind string }

func builtIns() []builtIn {
	return []builtIn{{"coredns", "networking"}, {"eks-pod-identity-agent", "security"}, {"kube-proxy", "networking"}, {"metrics-server", "observability"}, {"vpc-cni", "networking"}}
}

func isBuiltIn(name string) bool {
	return slices.ContainsFunc(builtIns(), func(b builtIn) bool { return b.name == name })
}

// release is the full Kubernetes version of a cluster's release.
func (h *Handlers) release(ctx context.Context, minor string) (string, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return "", err
	}
	for _, release := range catalogue.Releases {
		if release.Name == minor {
			return release.Spec.Version, nil
		}
	}
	return minor, nil
}

// clusterAndRelease reads what an add-on depends on.
func (h *Handlers) clusterAndRelease(ctx context.Context, about subject) (*v1alpha1.Cluster, string, error) {
	cluster, err := h.Backend.Cluster(ctx, about.cluster)
	if err != nil {
		return nil, "", subject{cluster: about.cluster}.exception(err)
	}
	release, err := h.release(ctx, cluster.Spec.Version)
	return cluster, release, err
}

func (h *Handlers) createAddon(ctx context.Context, in *eks.CreateAddonInput) (*eks.CreateAddonOutput, error) {
	about := subject{cluster: *in.ClusterName, addon: aws.ToString(in.AddonName)}
	if err := about.missing(given("addonName", in.AddonName)); err != nil {
		return nil, err
	}
	cluster, release, err := h.clusterAndRelease(ctx, about)
	if err != nil {
		return nil, err
	}
	if !isBuiltIn(about.addon) {
		return nil, about.invalid("Addon %s specified is not supported in %s kubernetes version: DescribeAddonVersions lists those of this Naru", about.addon, cluster.Spec.Version)
	}
	err = about.refuse([]forbidden{
		{in.NamespaceConfig != nil, "namespaceConfig", "the component is in kube-system: leave it out"},
		{len(in.PodIdentityAssociations) > 0, "podIdentityAssociations", "the component needs no role: leave it out"},
		{in.ServiceAccountRoleArn != nil, "serviceAccountRoleArn", "the component needs no role: leave it out"},
	})
	if err == nil {
		err = about.addonVersion(in.AddonVersion, in.ConfigurationValues, release)
	}
	if err == nil {
		err = about.validTags(in.Tags)
	}
	if err != nil {
		return nil, err
	}
	now := h.Now().UTC()
	addon := convert.Addon{Name: about.addon, ID: h.NewID(), Created: now, Modified: now, Tags: in.Tags, Token: h.token("CreateAddon", in.ClientRequestToken, in)}
	cluster, err = h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		if first, ok := convert.FindAddon(cluster, about.addon); ok {
			err := about.repeated(addon.Token, first.Token, "Addon already exists.")
			addon = first
			return err
		}
		return convert.SetAddon(cluster, addon)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	return &eks.CreateAddonOutput{Addon: h.Site.Addon(cluster, addon, release)}, nil
}

// addonVersion checks that nothing but what there is is asked for.
func (s subject) addonVersion(version, configuration *string, release string) error {
	if version != nil && *version != convert.AddonVersion(release) {
		return s.invalid("Addon version specified is not supported: there is only %s", convert.AddonVersion(release))
	}
	if text := strings.TrimSpace(aws.ToString(configuration)); text != "" && text != "{}" {
		return s.invalid("ConfigurationValue provided in request is not supported: there is nothing to configure")
	}
	return nil
}

func (h *Handlers) describeAddon(ctx context.Context, in *eks.DescribeAddonInput) (*eks.DescribeAddonOutput, error) {
	about := subject{cluster: *in.ClusterName, addon: *in.AddonName}
	cluster, release, err := h.clusterAndRelease(ctx, about)
	if err != nil {
		return nil, err
	}
	addon, ok := convert.FindAddon(cluster, about.addon)
	if !ok {
		return nil, about.noAddon()
	}
	return &eks.DescribeAddonOutput{Addon: h.Site.Addon(cluster, addon, release)}, nil
}

func (s subject) noAddon() error {
	return &types.ResourceNotFoundException{Message: aws.String("No addon: " + s.addon + " found in cluster: " + s.cluster), ClusterName: &s.cluster, AddonName: &s.addon}
}

func (h *Handlers) listAddons(ctx context.Context, in *eks.ListAddonsInput) (*eks.ListAddonsOutput, error) {
	about := subject{cluster: *in.ClusterName}
	cluster, err := h.Backend.Cluster(ctx, about.cluster)
	if err != nil {
		return nil, about.exception(err)
	}
	names := []string{}
	for _, addon := range convert.Addons(cluster) {
		names = append(names, addon.Name)
	}
	part, next, err := page(about, pages{[]string{"ListAddons", about.cluster}, in.MaxResults, in.NextToken}, names, itself)
	return &eks.ListAddonsOutput{Addons: part, NextToken: next}, err
}

func (h *Handlers) updateAddon(ctx context.Context, in *eks.UpdateAddonInput) (*eks.UpdateAddonOutput, error) {
	about := subject{cluster: *in.ClusterName, addon: *in.AddonName}
	_, release, err := h.clusterAndRelease(ctx, about)
	if err != nil {
		return nil, err
	}
	if len(in.PodIdentityAssociations) > 0 || in.ServiceAccountRoleArn != nil {
		return nil, about.invalid("serviceAccountRoleArn, podIdentityAssociations: the component needs no role: leave them out")
	}
	if err := about.addonVersion(in.AddonVersion, in.ConfigurationValues, release); err != nil {
		return nil, err
	}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeAddonUpdate), Created: h.Now().UTC(),
		Params: params(types.UpdateParamTypeAddonVersion, convert.AddonVersion(release)), Token: h.token("UpdateAddon", in.ClientRequestToken, in)}
	_, err = h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		addon, ok := convert.FindAddon(cluster, about.addon)
		if !ok {
			return about.noAddon()
		}
		if done, err := about.remembered(addonUpdates(cluster, about.addon), &update); done || err != nil {
			return err
		}
		addon.Modified, addon.Updates = update.Created, append(addon.Updates, update)
		return convert.SetAddon(cluster, addon)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	return &eks.UpdateAddonOutput{Update: update.Shape(convert.Observed{Ready: update.Generation})}, nil
}

// addonUpdates is an object that remembers the updates of an add-on, as clusters and node groups do
// theirs.
func addonUpdates(cluster *v1alpha1.Cluster, name string) metav1.Object {
	holder := &metav1.ObjectMeta{Name: name}
	if addon, ok := convert.FindAddon(cluster, name); ok {
		for _, update := range addon.Updates {
			if err := convert.AddUpdate(holder, update); err != nil {
				return holder // updates can always be encoded
			}
		}
	}
	return holder
}

func (h *Handlers) deleteAddon(ctx context.Context, in *eks.DeleteAddonInput) (*eks.DeleteAddonOutput, error) {
	about := subject{cluster: *in.ClusterName, addon: *in.AddonName}
	_, release, err := h.clusterAndRelease(ctx, about)
	if err != nil {
		return nil, err
	}
	var addon convert.Addon
	cluster, err := h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		var ok bool
		if addon, ok = convert.FindAddon(cluster, about.addon); !ok {
			return about.noAddon()
		}
		return convert.RemoveAddon(cluster, about.addon)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	shape := h.Site.Addon(cluster, addon, release)
	shape.Status = types.AddonStatusDeleting
	return &eks.DeleteAddonOutput{Addon: shape}, nil
}

func (h *Handlers) describeAddonVersions(ctx context.Context, in *eks.DescribeAddonVersionsInput) (*eks.DescribeAddonVersionsOutput, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	infos := []types.AddonInfo{}
	for _, component := range builtIns() {
		if in.AddonName != nil && *in.AddonName != component.name || !wanted(in.Types, component.kind) || !wanted(in.Owners, "naru") || !wanted(in.Publishers, "naru") {
			continue
		}
		info := types.AddonInfo{AddonName: aws.String(component.name), Type: aws.String(component.kind), Owner: aws.String("naru"), Publisher: aws.String("naru")}
		for _, release := range catalogue.Releases {
			if in.KubernetesVersion != nil && *in.KubernetesVersion != release.Name {
				continue
			}
			info.AddonVersions = append(info.AddonVersions, types.AddonVersionInfo{
				AddonVersion: aws.String(convert.AddonVersion(release.Spec.Version)), Architecture: []string{"amd64"}, ComputeTypes: []string{"ec2"},
				Compatibilities: []types.Compatibility{{ClusterVersion: aws.String(release.Name), DefaultVersion: true, PlatformVersions: []string{"*"}}},
			})
		}
		if len(info.AddonVersions) > 0 {
			infos = append(infos, info)
		}
	}
	which := append([]string{"DescribeAddonVersions", aws.ToString(in.AddonName), aws.ToString(in.KubernetesVersion)}, in.Types...)
	part, next, err := page(subject{}, pages{which, in.MaxResults, in.NextToken}, infos, func(i types.AddonInfo) string { return *i.AddonName })
	return &eks.DescribeAddonVersionsOutput{Addons: part, NextToken: next}, err
}

func (h *Handlers) describeAddonConfiguration(ctx context.Context, in *eks.DescribeAddonConfigurationInput) (*eks.DescribeAddonConfigurationOutput, error) {
	about := subject{addon: aws.ToString(in.AddonName)}
	if err := about.missing(given("addonName", in.AddonName), given("addonVersion", in.AddonVersion)); err != nil {
		return nil, err
	}
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	isThere := slices.ContainsFunc(catalogue.Releases, func(r v1alpha1.Release) bool { return convert.AddonVersion(r.Spec.Version) == *in.AddonVersion })
	if !isBuiltIn(about.addon) || !isThere {
		return nil, &types.ResourceNotFoundException{Message: aws.String("No addon " + about.addon + " of version " + *in.AddonVersion + " found."), AddonName: in.AddonName}
	}
	const schema = `{"$schema":"http://json-schema.org/draft-06/schema#","type":"object","additionalProperties":false}`
	return &eks.DescribeAddonConfigurationOutput{AddonName: in.AddonName, AddonVersion: in.AddonVersion, ConfigurationSchema: aws.String(schema)}, nil
}
