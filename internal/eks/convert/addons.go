package convert

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/kube/conditions"
)

// addonPatience is how long an update of an add-on may take until its pods are there: then it has failed.
const addonPatience = 15 * time.Minute

// Addon is an add-on that somebody took into the care of the EKS API, as it is remembered in the
// cluster. How it is configured is in the cluster's spec.
type Addon struct {
	Name     string            `json:"name"`
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
	Token    Token             `json:"token,omitzero"`
	Tags     map[string]string `json:"tags,omitempty"`
	Updates  []Update          `json:"updates,omitempty"`
	// Generation of the cluster that its creation led to, and Deletion the one that its deletion did; 0: it is not deleted.
	Generation int64 `json:"generation,omitempty"`
	Deletion   int64 `json:"deletion,omitempty"`
}

// Addons are those of a cluster, by name. One whose deletion has come to its end is none any more.
func Addons(cluster *v1alpha1.Cluster) []Addon {
	return slices.DeleteFunc(noted(cluster), func(a Addon) bool {
		if a.Deletion == 0 {
			return false
		}
		status := cluster.FindAddonStatus(a.Name)
		applied := condition(status, v1alpha1.AddonApplied)
		return applied != nil && applied.Reason == v1alpha1.ReasonRemoved && status.ObservedGeneration >= a.Deletion
	})
}

func noted(cluster *v1alpha1.Cluster) []Addon {
	return Note[[]Addon](cluster, v1alpha1.AnnotationAddons)
}

// SetAddon remembers an add-on, in the place of one of its name, and its last updates.
func SetAddon(cluster *v1alpha1.Cluster, addon Addon) error {
	addon.Updates = addon.Updates[max(0, len(addon.Updates)-keptUpdates):]
	all := slices.DeleteFunc(noted(cluster), func(a Addon) bool { return a.Name == addon.Name })
	all = append(all, addon)
	slices.SortFunc(all, func(a, b Addon) int { return strings.Compare(a.Name, b.Name) })
	return SetNote(cluster, v1alpha1.AnnotationAddons, all)
}

// RemoveAddon forgets an add-on.
func RemoveAddon(cluster *v1alpha1.Cluster, name string) error {
	return SetNote(cluster, v1alpha1.AnnotationAddons, slices.DeleteFunc(noted(cluster), func(a Addon) bool { return a.Name == name }))
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

// AddonVersion is the version of an add-on that comes with a release.
func AddonVersion(name string, release v1alpha1.ReleaseSpec) string {
	known, _ := addon.Find(name)
	return known.Version(release)
}

// Conflicts is what the kind calls one of EKS's ways to resolve conflicts. PRESERVE means something in updates only: a creation
// fails then, as it does with NONE, which is meant where none is named.
func Conflicts(asked types.ResolveConflicts, update bool) v1alpha1.AddonConflicts {
	switch {
	case asked == types.ResolveConflictsOverwrite:
		return v1alpha1.ConflictsOverwrite
	case asked == types.ResolveConflictsPreserve && update:
		return v1alpha1.ConflictsPreserve
	}
	return v1alpha1.ConflictsFail
}

// Addon is an add-on as EKS describes it, in the version that it has in the cluster's release.
func (s Site) Addon(cluster *v1alpha1.Cluster, note Addon, release v1alpha1.ReleaseSpec, now time.Time) *types.Addon {
	shape := &types.Addon{
		AddonName: aws.String(note.Name), ClusterName: aws.String(cluster.Name), AddonArn: aws.String(s.AddonARN(cluster.Name, note.Name, apitypes.UID(note.ID))),
		AddonVersion: aws.String(AddonVersion(note.Name, release)), CreatedAt: aws.Time(note.Created), ModifiedAt: aws.Time(note.Modified), Tags: note.Tags,
		Owner: aws.String("naru"), Publisher: aws.String("naru"), Health: &types.AddonHealth{Issues: []types.AddonIssue{}},
	}
	if spec := cluster.FindAddon(note.Name); spec != nil {
		shape.ConfigurationValues = optional(spec.Configuration)
	}
	var problem *Failure
	shape.Status, problem = addonStatus(cluster, note, now)
	if problem != nil {
		shape.Health.Issues = append(shape.Health.Issues, types.AddonIssue{Code: types.AddonIssueCode(problem.Code), Message: aws.String(problem.Message), ResourceIds: problem.Resources})
	}
	return shape
}

// addonStatus is where an add-on stands, and what is wrong with it. Waiters take DEGRADED for a failure, so that what was never
// active is CREATING for as long as it may still become so.
//
//	CREATING ──▶ ACTIVE ◀──▶ UPDATING ──▶ UPDATE_FAILED
//	    │          └──▶ DEGRADED             (both end with what is observed, or the next update)
//	    └──▶ CREATE_FAILED
func addonStatus(cluster *v1alpha1.Cluster, note Addon, now time.Time) (types.AddonStatus, *Failure) {
	if cluster.DeletionTimestamp != nil || note.Deletion > 0 {
		return types.AddonStatusDeleting, nil
	}
	if cluster.FindAddon(note.Name) == nil {
		return asItComes(cluster, note)
	}
	status := cluster.FindAddonStatus(note.Name)
	refused, missing := refusal(status, note.Name), absence(status, note.Name)
	updating := types.UpdateStatusSuccessful
	if n := len(note.Updates); n > 0 {
		updating, _ = note.Updates[n-1].outcome(status, note.Name, now)
	}
	active := status != nil && status.ObservedGeneration >= note.Generation && status.ObservedGeneration > 0
	switch {
	case !active && updating != types.UpdateStatusInProgress && refused != nil && refused.generation >= note.Generation:
		return types.AddonStatusCreateFailed, refused
	case !active:
		return types.AddonStatusCreating, missing
	case updating == types.UpdateStatusInProgress:
		return types.AddonStatusUpdating, missing
	case updating == types.UpdateStatusFailed && refused != nil:
		return types.AddonStatusUpdateFailed, refused
	case refused != nil:
		return types.AddonStatusDegraded, refused
	case missing != nil:
		return types.AddonStatusDegraded, missing
	}
	return types.AddonStatusActive, nil
}

// asItComes is the state of an add-on that was named before clusters knew of add-ons: what every cluster has inside.
func asItComes(cluster *v1alpha1.Cluster, note Addon) (types.AddonStatus, *Failure) {
	applied := conditions.Get(cluster, v1alpha1.ClusterBootstrapped)
	switch {
	case applied == nil || cluster.Status.ObservedGeneration == 0:
		return types.AddonStatusCreating, nil
	case applied.Status == metav1.ConditionTrue:
		return types.AddonStatusActive, nil
	}
	return types.AddonStatusDegraded, &Failure{Code: string(types.AddonIssueCodeInternalFailure), Message: applied.Message, Resources: []string{note.Name}}
}

// Failure is why something did not come to its end. Its code is one of EKS's, of add-ons' issues and of updates' errors alike.
type Failure struct {
	Code      string   `json:"code"`
	Message   string   `json:"message"`
	Resources []string `json:"resources,omitempty"`
	// generation that it was observed of.
	generation int64
}

func condition(status *v1alpha1.AddonStatus, kind string) *metav1.Condition {
	if status == nil {
		return nil
	}
	return meta.FindStatusCondition(status.Conditions, kind)
}

// refusal is why an add-on could not be applied, where it is not tried again by itself.
func refusal(status *v1alpha1.AddonStatus, name string) *Failure {
	applied := condition(status, v1alpha1.AddonApplied)
	if applied == nil || applied.Status == metav1.ConditionTrue {
		return nil
	}
	var code types.AddonIssueCode
	switch applied.Reason {
	case v1alpha1.ReasonConflict:
		code = types.AddonIssueCodeConfigurationConflict
	case v1alpha1.ReasonRejected:
		code = types.AddonIssueCodeAdmissionRequestDenied
	default:
		return nil
	}
	return &Failure{string(code), applied.Message, []string{name}, applied.ObservedGeneration}
}

// absence is which pods an add-on lacks, or why that is not known.
func absence(status *v1alpha1.AddonStatus, name string) *Failure {
	if applied := condition(status, v1alpha1.AddonApplied); applied != nil && applied.Reason == v1alpha1.ReasonFailed {
		return &Failure{string(types.AddonIssueCodeInternalFailure), applied.Message, []string{name}, applied.ObservedGeneration}
	}
	available := condition(status, v1alpha1.AddonAvailable)
	if available == nil || available.Status == metav1.ConditionTrue {
		return nil
	}
	code := types.AddonIssueCodeInsufficientNumberOfReplicas
	if available.Reason == v1alpha1.ReasonNotFound {
		code = types.AddonIssueCodeK8sResourceNotFound
	}
	return &Failure{string(code), available.Message, []string{name}, available.ObservedGeneration}
}

// outcome is how an update of an add-on went, or goes.
func (u Update) outcome(status *v1alpha1.AddonStatus, name string, now time.Time) (types.UpdateStatus, *Failure) {
	refused := refusal(status, name)
	switch {
	case u.Failed != nil:
		return types.UpdateStatusFailed, u.Failed
	case status != nil && status.ObservedGeneration >= u.Generation, u.Generation == 0:
		return types.UpdateStatusSuccessful, nil
	case refused != nil && refused.generation >= u.Generation:
		return types.UpdateStatusFailed, refused
	case now.Sub(u.Created) < addonPatience:
		return types.UpdateStatusInProgress, nil
	}
	if missing := absence(status, name); missing != nil {
		return types.UpdateStatusFailed, missing
	}
	return types.UpdateStatusFailed, &Failure{Code: string(types.ErrorCodeInsufficientNumberOfReplicas), Message: "not all of its pods are new and available", Resources: []string{name}}
}

// Settle writes down which updates have failed, before another is made: what is observed from then on is that one's. It returns
// the id of one that goes on.
func (a *Addon) Settle(cluster *v1alpha1.Cluster, now time.Time) (running string) {
	for i := range a.Updates {
		status, failed := a.Updates[i].outcome(cluster.FindAddonStatus(a.Name), a.Name, now)
		if a.Updates[i].Failed = failed; status == types.UpdateStatusInProgress {
			running = a.Updates[i].ID
		}
	}
	return running
}

// AddonUpdate is an update of an add-on as EKS tells it.
func AddonUpdate(cluster *v1alpha1.Cluster, name string, update Update, now time.Time) *types.Update {
	shape := update.Shape(Observed{})
	var failed *Failure
	if shape.Status, failed = update.outcome(cluster.FindAddonStatus(name), name, now); failed != nil {
		shape.Errors = append(shape.Errors, types.ErrorDetail{ErrorCode: types.ErrorCode(failed.Code), ErrorMessage: &failed.Message, ResourceIds: failed.Resources})
	}
	return shape
}
