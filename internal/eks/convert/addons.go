package convert

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// Addon is an add-on that somebody took into the care of the EKS API, as it is remembered in the
// cluster. The component itself comes with every cluster.
type Addon struct {
	Name     string            `json:"name"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
	Token    Token             `json:"token,omitzero"`
	Tags     map[string]string `json:"tags,omitempty"`
	Updates  []Update          `json:"updates,omitempty"`
}

// Addons are those of a cluster, by name.
func Addons(cluster *v1alpha1.Cluster) []Addon {
	return Note[[]Addon](cluster, v1alpha1.AnnotationAddons)
}

// SetAddon remembers an add-on, in the place of one of its name.
func SetAddon(cluster *v1alpha1.Cluster, addon Addon) error {
	all := slices.DeleteFunc(Addons(cluster), func(a Addon) bool { return a.Name == addon.Name })
	all = append(all, addon)
	slices.SortFunc(all, func(a, b Addon) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return SetNote(cluster, v1alpha1.AnnotationAddons, all)
}

// RemoveAddon forgets an add-on.
func RemoveAddon(cluster *v1alpha1.Cluster, name string) error {
	return SetNote(cluster, v1alpha1.AnnotationAddons, slices.DeleteFunc(Addons(cluster), func(a Addon) bool { return a.Name == name }))
}

// FindAddon returns one by name.
func FindAddon(cluster *v1alpha1.Cluster, name string) (Addon, bool) {
	all := Addons(cluster)
	i := slices.IndexFunc(all, func(a Addon) bool { return a.Name == name })
	if i < 0 {
		return Addon{}, false
	}
	return all[i], true
}

// AddonVersion is what the components that come with a release are called as add-ons.
func AddonVersion(release string) string { return "v" + release + "-naru.1" }

// Addon is an add-on as EKS describes it. release is the full Kubernetes version that it came with.
func (s Site) Addon(cluster *v1alpha1.Cluster, addon Addon, release string) *types.Addon {
	shape := &types.Addon{
		AddonName: aws.String(addon.Name), ClusterName: aws.String(cluster.Name), AddonArn: aws.String(s.AddonARN(cluster.Name, addon.Name, apitypes.UID(addon.ID))),
		AddonVersion: aws.String(AddonVersion(release)), CreatedAt: aws.Time(addon.Created), ModifiedAt: aws.Time(addon.Modified), Tags: addon.Tags,
		Owner: aws.String("naru"), Publisher: aws.String("naru"), Status: types.AddonStatusCreating, Health: &types.AddonHealth{Issues: []types.AddonIssue{}},
	}
	applied := conditions.Get(cluster, v1alpha1.ClusterBootstrapped)
	switch {
	case cluster.DeletionTimestamp != nil:
		shape.Status = types.AddonStatusDeleting
	case applied == nil || cluster.Status.ObservedGeneration == 0: // waiters take DEGRADED for a failure, CREATING not
	case applied.Status == metav1.ConditionTrue:
		shape.Status = types.AddonStatusActive
	default:
		shape.Status = types.AddonStatusDegraded
		shape.Health.Issues = append(shape.Health.Issues, types.AddonIssue{Code: types.AddonIssueCodeInternalFailure, Message: aws.String(applied.Message), ResourceIds: []string{addon.Name}})
	}
	return shape
}
