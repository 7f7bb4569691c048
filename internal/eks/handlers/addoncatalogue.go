package handlers

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
)

func (h *Handlers) describeAddonVersions(ctx context.Context, in *eks.DescribeAddonVersionsInput) (*eks.DescribeAddonVersionsOutput, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	infos := []types.AddonInfo{}
	for _, known := range addon.All() {
		if in.AddonName != nil && *in.AddonName != known.Name || !wanted(in.Types, known.Kind) || !wanted(in.Owners, "naru") || !wanted(in.Publishers, "naru") {
			continue
		}
		if versions := addonVersions(known, catalogue.Releases, aws.ToString(in.KubernetesVersion)); len(versions) > 0 {
			infos = append(infos, types.AddonInfo{AddonName: aws.String(known.Name), Type: aws.String(known.Kind), Owner: aws.String("naru"), Publisher: aws.String("naru"),
				DefaultNamespace: aws.String("kube-system"), AddonVersions: versions})
		}
	}
	which := append([]string{"DescribeAddonVersions", aws.ToString(in.AddonName), aws.ToString(in.KubernetesVersion)}, in.Types...)
	part, next, err := page(subject{}, pages{which, in.MaxResults, in.NextToken}, infos, func(i types.AddonInfo) string { return *i.AddonName })
	return &eks.DescribeAddonVersionsOutput{Addons: part, NextToken: next}, err
}

// addonVersions are the versions that an add-on has in releases, the newest release's first. Releases may have the same one.
func addonVersions(known addon.Addon, releases []v1alpha1.Release, minor string) []types.AddonVersionInfo {
	var all []types.AddonVersionInfo
	for _, release := range releases {
		if minor != "" && minor != release.Name {
			continue
		}
		version := known.Version(release.Spec)
		i := slices.IndexFunc(all, func(v types.AddonVersionInfo) bool { return *v.AddonVersion == version })
		if i < 0 {
			i = len(all)
			all = append(all, types.AddonVersionInfo{AddonVersion: aws.String(version), Architecture: []string{"amd64"}, ComputeTypes: []string{"ec2"}, RequiresConfiguration: false})
		}
		all[i].Compatibilities = append(all[i].Compatibilities, types.Compatibility{ClusterVersion: aws.String(release.Name), DefaultVersion: true, PlatformVersions: []string{"*"}})
	}
	return all
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
	known, ok := addon.Find(about.addon)
	if !ok || !slices.ContainsFunc(catalogue.Releases, func(r v1alpha1.Release) bool { return known.Version(r.Spec) == *in.AddonVersion }) {
		return nil, &types.ResourceNotFoundException{Message: aws.String("No addon " + about.addon + " of version " + *in.AddonVersion + " found."), AddonName: in.AddonName}
	}
	schema, err := known.Schema()
	return &eks.DescribeAddonConfigurationOutput{AddonName: in.AddonName, AddonVersion: in.AddonVersion, ConfigurationSchema: aws.String(schema)}, err
}
