package backend

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/await"
)

// What a cluster's profiles may have at most: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
const maxProfiles, maxSelectors, maxSelectorLabels = 10, 5, 5

const wordsProfileName = "a Fargate profile's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"

var (
	selectorNamespace = regexp.MustCompile(`^[-a-z0-9*?]{1,63}$`)
	selectorKey       = regexp.MustCompile(`^[-A-Za-z0-9_./*?]{1,317}$`)
	selectorValue     = regexp.MustCompile(`^[-A-Za-z0-9_.*?]{0,63}$`)
)

// NewFargateProfile returns the manifest of a Fargate profile.
func NewFargateProfile(cluster, name string, spec v1alpha1.FargateProfileSpec) *v1alpha1.FargateProfile {
	return &v1alpha1.FargateProfile{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "FargateProfile"},
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(cluster), Name: name},
		Spec:       spec,
	}
}

// ValidateFargateProfile checks a profile against its kind's rules and against what this Naru has.
func ValidateFargateProfile(profile *v1alpha1.FargateProfile, catalogue Catalogue) error {
	if !namePattern.MatchString(profile.Name) {
		return invalidf("metadata.name", "%q can't be: %s", profile.Name, wordsProfileName)
	}
	if n := len(profile.Spec.Selectors); n < 1 || n > maxSelectors {
		return invalidf("spec.selectors", "there are %d: a Fargate profile has 1 to %d", n, maxSelectors)
	}
	for _, selector := range profile.Spec.Selectors {
		if err := validateSelector(selector); err != nil {
			return err
		}
	}
	for _, zone := range profile.Spec.Zones {
		if !slices.Contains(catalogue.Zones, zone) {
			return invalidf("spec.zones", "there is no zone %q; %s", zone, Enumerate(catalogue.Zones))
		}
	}
	return nil
}

func validateSelector(selector v1alpha1.FargateProfileSelector) error {
	if !selectorNamespace.MatchString(selector.Namespace) {
		return invalidf("spec.selectors", "the namespace %q can't be: it has lower-case letters, digits, dashes and the wildcards * and ?", selector.Namespace)
	}
	if n := len(selector.Labels); n > maxSelectorLabels {
		return invalidf("spec.selectors", "there are %d labels, at most %d can be", n, maxSelectorLabels)
	}
	for key, value := range selector.Labels {
		if !selectorKey.MatchString(key) || !selectorValue.MatchString(string(value)) {
			return invalidf("spec.selectors", "the label %s=%s can't be: keys and values have letters, digits, dashes, underscores, dots and the wildcards * and ?", key, value)
		}
	}
	return nil
}

// FargateProfiles lists the profiles of an existing cluster, by name. Errors: *NotFoundError.
func (b *Backend) FargateProfiles(ctx context.Context, cluster string) ([]v1alpha1.FargateProfile, error) {
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return nil, err
	}
	list := &v1alpha1.FargateProfileList{}
	if err := b.client.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing Fargate profiles: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.FargateProfile) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}

// FargateProfile reads one. Errors: *NotFoundError for it or its cluster.
func (b *Backend) FargateProfile(ctx context.Context, cluster, name string) (*v1alpha1.FargateProfile, error) {
	profile := &v1alpha1.FargateProfile{}
	return profile, b.part(ctx, cluster, name, profile, &NotFoundError{Kind: "Fargate profile", Name: name,
		Next: fmt.Sprintf("list them with \"naru get fargateprofiles --cluster %s\"", cluster)})
}

// CreateFargateProfile writes a profile of an existing cluster. Of its profiles one at a time is made or deleted, as on EKS.
// Errors: *InvalidError, *NotFoundError, *RefusedError, *WaitError.
func (b *Backend) CreateFargateProfile(ctx context.Context, profile *v1alpha1.FargateProfile) error {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return err
	}
	if err := ValidateFargateProfile(profile, catalogue); err != nil {
		return err
	}
	others, err := b.FargateProfiles(ctx, v1alpha1.ClusterOf(profile.Namespace))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(others, func(p v1alpha1.FargateProfile) bool { return p.Name == profile.Name }) {
		if err := alone("create", profile, others); err != nil {
			return err
		}
		if len(others) >= maxProfiles {
			return &RefusedError{Full, fmt.Sprintf("the cluster has %d Fargate profiles, at most %d can be: delete one, or put selectors together", len(others), maxProfiles)}
		}
	}
	return b.createPart(ctx, profile, "Fargate profile", profile.Name)
}

// alone refuses what is to be done to a profile while another one of the cluster is on its way in or out.
func alone(what string, profile *v1alpha1.FargateProfile, others []v1alpha1.FargateProfile) error {
	for i := range others {
		state := ""
		switch other := &others[i]; {
		case other.Name == profile.Name:
		case other.DeletionTimestamp != nil:
			state = "DELETING"
		case other.Status.ObservedGeneration == 0 && !other.Failed():
			state = "CREATING"
		}
		if state != "" {
			return &RefusedError{Busy, fmt.Sprintf("Cannot %s Fargate Profile %s because cluster %s currently has Fargate profile %s in status %s",
				what, profile.Name, v1alpha1.ClusterOf(profile.Namespace), others[i].Name, state)}
		}
	}
	return nil
}

// AwaitFargateProfile waits until the profile is in force; observe sees each change.
// Errors: *WaitError, *NotFoundError when it is deleted meanwhile.
func (b *Backend) AwaitFargateProfile(ctx context.Context, cluster, name string, observe func(*v1alpha1.FargateProfile)) error {
	began := time.Now()
	profile := NewFargateProfile(cluster, name, v1alpha1.FargateProfileSpec{})
	err := await.Object(ctx, b.client, profile, &v1alpha1.FargateProfileList{}, func(found bool) (bool, error) {
		if !found {
			return false, &NotFoundError{Kind: "Fargate profile", Name: name, Next: "it was deleted while it was waited for"}
		}
		observe(profile)
		return ReadyFor(profile, v1alpha1.FargateProfileReady), nil
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("Fargate profile %q to be in force", name), Missing: missing(profile), After: time.Since(began),
		Watch: "naru get fargateprofiles --cluster " + cluster + " -w", Look: "naru describe cluster " + cluster,
	})
}

// TagFargateProfile reads a profile, lets change alter its annotations, and writes it. Its spec never changes.
// Errors: *NotFoundError, and those of change.
func (b *Backend) TagFargateProfile(ctx context.Context, cluster, name string, change func(*v1alpha1.FargateProfile) error) (*v1alpha1.FargateProfile, error) {
	return write(ctx, b, func() (*v1alpha1.FargateProfile, error) {
		profile, err := b.FargateProfile(ctx, cluster, name)
		if err != nil {
			return nil, err
		}
		return profile, change(profile)
	})
}

// DeleteFargateProfile asks for a profile's deletion: its pods go, and their machines. One that is being deleted
// already stays so. Errors: *NotFoundError, *RefusedError while another one is on its way in or out.
func (b *Backend) DeleteFargateProfile(ctx context.Context, cluster, name string) (*v1alpha1.FargateProfile, error) {
	profile, err := b.FargateProfile(ctx, cluster, name)
	if err != nil {
		return nil, err
	}
	others, err := b.FargateProfiles(ctx, cluster)
	if err != nil {
		return nil, err
	}
	if err := alone("delete", profile, others); err != nil {
		return nil, err
	}
	return profile, b.deletePart(ctx, profile, "Fargate profile")
}
