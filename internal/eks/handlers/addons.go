package handlers

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/eks/convert"
)

func addons() map[string]operation {
	const (
		comes  = "coredns and metrics-server are Deployments; kube-proxy, vpc-cni and eks-pod-identity-agent (both are Naru's own agent) are processes of every node. All come with every cluster, in the version of its release"
		noRole = "roles and namespaces are refused by name"
	)
	return map[string]operation{
		"CreateAddon":                reduced(comes+"; "+noRole, (*Handlers).createAddon),
		"DescribeAddon":              reduced(comes, (*Handlers).describeAddon),
		"ListAddons":                 reduced("those that CreateAddon named", (*Handlers).listAddons),
		"UpdateAddon":                reduced("configuration and conflicts; an update whose pods are not there after 15 minutes has failed. There is one version for a release; "+noRole, (*Handlers).updateAddon),
		"DeleteAddon":                reduced("without preserve the Deployment goes, with it Naru leaves it alone; what is a process of every node stays", (*Handlers).deleteAddon),
		"DescribeAddonVersions":      reduced(comes+": there are the versions of all releases that were built", (*Handlers).describeAddonVersions),
		"DescribeAddonConfiguration": full((*Handlers).describeAddonConfiguration),
	}
}

// release is what a cluster's version consists of. Where it was taken away, it is empty but for the version.
func (h *Handlers) release(ctx context.Context, minor string) (v1alpha1.ReleaseSpec, error) {
	catalogue, err := h.Backend.Catalogue(ctx)
	if err != nil {
		return v1alpha1.ReleaseSpec{}, err
	}
	for _, release := range catalogue.Releases {
		if release.Name == minor {
			return release.Spec, nil
		}
	}
	return v1alpha1.ReleaseSpec{Version: minor}, nil
}

// clusterAndRelease reads what an add-on depends on.
func (h *Handlers) clusterAndRelease(ctx context.Context, about subject) (*v1alpha1.Cluster, v1alpha1.ReleaseSpec, error) {
	cluster, err := h.Backend.Cluster(ctx, about.cluster)
	if err != nil {
		return nil, v1alpha1.ReleaseSpec{}, subject{cluster: about.cluster}.exception(err)
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
	if _, ok := addon.Find(about.addon); !ok {
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
	made := convert.Addon{Name: about.addon, ID: h.NewID(), Created: now, Modified: now, Tags: in.Tags, Token: h.token("CreateAddon", in.ClientRequestToken, in)}
	cluster, err = h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		if first, ok := convert.FindAddon(cluster, about.addon); ok {
			err := about.repeated(made.Token, first.Token, "Addon already exists.")
			made = first
			return err
		}
		made.Generation = askAddon(cluster, v1alpha1.AddonSpec{Name: about.addon, Management: v1alpha1.AddonKept, Configuration: aws.ToString(in.ConfigurationValues),
			Conflicts: convert.Conflicts(in.ResolveConflicts, false)})
		return convert.SetAddon(cluster, made)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	return &eks.CreateAddonOutput{Addon: h.Site.Addon(cluster, made, release, h.Now())}, nil
}

// askAddon has an add-on kept otherwise, or anew, and returns the generation that the cluster gets by that.
func askAddon(cluster *v1alpha1.Cluster, spec v1alpha1.AddonSpec) (generation int64) {
	if known := cluster.FindAddon(spec.Name); known != nil {
		spec.Attempt = known.Attempt + 1
		*known = spec
	} else {
		spec.Attempt = 1
		cluster.Spec.Addons = append(cluster.Spec.Addons, spec)
	}
	return cluster.Generation + 1
}

// addonVersion checks that what is asked for is there, and that the configuration is one that the add-on's schema allows.
func (s subject) addonVersion(version, configuration *string, release v1alpha1.ReleaseSpec) error {
	known, _ := addon.Find(s.addon)
	if own := known.Version(release); version != nil && *version != own {
		return s.invalid("Addon version specified is not supported: for Kubernetes %s there is only %s", release.Version, own)
	}
	_, err := known.Parse(aws.ToString(configuration))
	if wrong := new(addon.InvalidError); errors.As(err, &wrong) {
		return s.invalid("ConfigurationValue provided in request is not supported: Json schema validation failed with error: [%s]", strings.Join(wrong.Problems, ", "))
	}
	return err
}

func (h *Handlers) describeAddon(ctx context.Context, in *eks.DescribeAddonInput) (*eks.DescribeAddonOutput, error) {
	about := subject{cluster: *in.ClusterName, addon: *in.AddonName}
	cluster, release, err := h.clusterAndRelease(ctx, about)
	if err != nil {
		return nil, err
	}
	found, ok := convert.FindAddon(cluster, about.addon)
	if !ok {
		return nil, about.noAddon()
	}
	return &eks.DescribeAddonOutput{Addon: h.Site.Addon(cluster, found, release, h.Now())}, nil
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
	for _, found := range convert.Addons(cluster) {
		names = append(names, found.Name)
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
		Params: addonParams(in, convert.AddonVersion(about.addon, release)), Token: h.token("UpdateAddon", in.ClientRequestToken, in)}
	cluster, err := h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		return about.changeAddon(cluster, in, &update)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	return &eks.UpdateAddonOutput{Update: convert.AddonUpdate(cluster, about.addon, update, h.Now())}, nil
}

func (s subject) changeAddon(cluster *v1alpha1.Cluster, in *eks.UpdateAddonInput, update *convert.Update) error {
	found, ok := convert.FindAddon(cluster, s.addon)
	if !ok {
		return s.noAddon()
	}
	if done, err := s.remembered(addonUpdates(cluster, s.addon), update); done || err != nil {
		return err
	}
	switch running := found.Settle(cluster, update.Created); {
	case found.Deletion > 0:
		return s.inUse("Addon %s cannot be updated as it is currently in DELETING state", s.addon)
	case running != "":
		return s.inUse("Addon %s cannot be updated as it is currently in UPDATING state: update %s is in progress", s.addon, running)
	}
	spec := v1alpha1.AddonSpec{Name: s.addon}
	if known := cluster.FindAddon(s.addon); known != nil {
		spec = *known
	}
	spec.Management, spec.Conflicts = v1alpha1.AddonKept, convert.Conflicts(in.ResolveConflicts, true)
	if in.ConfigurationValues != nil {
		spec.Configuration = *in.ConfigurationValues
	}
	update.Generation = askAddon(cluster, spec)
	found.Modified, found.Updates = update.Created, append(found.Updates, *update)
	return convert.SetAddon(cluster, found)
}

// addonParams are what is asked of an add-on.
func addonParams(in *eks.UpdateAddonInput, version string) [][2]string {
	all := params(types.UpdateParamTypeAddonVersion, version)
	if in.ResolveConflicts != "" {
		all = append(all, params(types.UpdateParamTypeResolveConflicts, string(in.ResolveConflicts))...)
	}
	if in.ConfigurationValues != nil {
		all = append(all, params(types.UpdateParamTypeConfigurationValues, *in.ConfigurationValues)...)
	}
	return all
}

// addonUpdates is an object that remembers the updates of an add-on, as clusters and node groups do
// theirs.
func addonUpdates(cluster *v1alpha1.Cluster, name string) metav1.Object {
	holder := &metav1.ObjectMeta{Name: name}
	if found, ok := convert.FindAddon(cluster, name); ok {
		for _, update := range found.Updates {
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
	var found convert.Addon
	cluster, err := h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		var ok bool
		if found, ok = convert.FindAddon(cluster, about.addon); !ok {
			return about.noAddon()
		}
		return takeAway(cluster, &found, in.Preserve)
	})
	if err != nil {
		return nil, subject{cluster: about.cluster}.exception(err)
	}
	shape := h.Site.Addon(cluster, found, release, h.Now())
	shape.Status = types.AddonStatusDeleting
	return &eks.DeleteAddonOutput{Addon: shape}, nil
}

// takeAway has an add-on deleted in the cluster, or left alone. It is told of until it is gone, which what stays is at once.
func takeAway(cluster *v1alpha1.Cluster, found *convert.Addon, preserve bool) error {
	known, _ := addon.Find(found.Name)
	switch {
	case found.Deletion > 0:
		return nil
	case known.Deployment == "":
		cluster.Spec.Addons = slices.DeleteFunc(cluster.Spec.Addons, func(s v1alpha1.AddonSpec) bool { return s.Name == found.Name })
		return convert.RemoveAddon(cluster, found.Name)
	case preserve:
		askAddon(cluster, v1alpha1.AddonSpec{Name: found.Name, Management: v1alpha1.AddonReleased})
		return convert.RemoveAddon(cluster, found.Name)
	}
	found.Deletion = askAddon(cluster, v1alpha1.AddonSpec{Name: found.Name, Management: v1alpha1.AddonRemoved})
	return convert.SetAddon(cluster, *found)
}
