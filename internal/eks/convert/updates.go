package convert

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// keptUpdates is how many changes an object remembers.
const keptUpdates = 20

// Update is one change of a cluster, a node group or an add-on, as it is remembered in the object.
type Update struct {
	ID      string      `json:"id"`
	Type    string      `json:"type"`
	Params  [][2]string `json:"params,omitempty"`
	Created time.Time   `json:"created"`
	// Generation of the spec that the change led to. It is done once the object was Ready for that one.
	Generation int64 `json:"generation"`
	Token      Token `json:"token,omitzero"`
	// Identity tells that the change is done once API servers have loaded it, whatever else the object lacks. It holds up no other.
	Identity bool `json:"identity,omitempty"`
	// Ended is why the change will never be done: another took its place before.
	Ended string `json:"ended,omitempty"`
	// Failed is why it did not come to its end, once that is settled; of add-ons' updates only.
	Failed *Failure `json:"failed,omitempty"`
}

// Observed is how far the changes of an object were seen to be.
type Observed struct {
	// Ready is the newest generation that the object was Ready for.
	Ready int64
	// Identity is the newest one whose identity provider every API server has loaded; Lacking says what keeps a newer one.
	Identity int64
	Lacking  string
	// Tier is the newest one whose control plane can't have the tier that it asks for; TierLacking says why. 0: it can.
	Tier        int64
	TierLacking string
}

// ObservedCluster is how far those of a cluster are.
func ObservedCluster(cluster *v1alpha1.Cluster) Observed {
	seen := Observed{Ready: cluster.Status.ObservedGeneration, Identity: cluster.Status.IdentityProvider.ObservedGeneration}
	if loaded := conditions.Get(cluster, v1alpha1.ClusterIdentityProviderReady); loaded != nil && loaded.Status != metav1.ConditionTrue {
		seen.Lacking = loaded.Message
	}
	if why := cluster.TierRefused(); why != nil {
		seen.Tier, seen.TierLacking = why.ObservedGeneration, why.Message
	}
	return seen
}

// Updates are those that an object remembers, the newest last.
func Updates(o metav1.Object) []Update {
	return Note[[]Update](o, v1alpha1.AnnotationUpdates)
}

// AddUpdate remembers one more.
func AddUpdate(o metav1.Object, update Update) error {
	all := append(Updates(o), update)
	return SetNote(o, v1alpha1.AnnotationUpdates, all[max(0, len(all)-keptUpdates):])
}

// FindUpdate returns one by id.
func FindUpdate(o metav1.Object, id string) (Update, bool) {
	all := Updates(o)
	i := slices.IndexFunc(all, func(u Update) bool { return u.ID == id })
	if i < 0 {
		return Update{}, false
	}
	return all[i], true
}

// Running returns the change of an object that holds up others; nil where there is none. ready is the newest generation that the
// object was Ready for.
func Running(o metav1.Object, ready int64) *Update {
	for _, update := range Updates(o) {
		if !update.Identity && update.status(Observed{Ready: ready}) == types.UpdateStatusInProgress {
			return &update
		}
	}
	return nil
}

// EndIdentity ends the changes of a cluster's identity provider that are not done, as another is about to take their place.
func EndIdentity(cluster *v1alpha1.Cluster, why string) error {
	all, seen := Updates(cluster), ObservedCluster(cluster)
	for i := range all {
		if all[i].Identity && all[i].status(seen) == types.UpdateStatusInProgress {
			all[i].Ended = why
		}
	}
	return SetNote(cluster, v1alpha1.AnnotationUpdates, all)
}

// tierRefused tells that the change is one of the tier, for which there is no room now.
func (u Update) tierRefused(seen Observed) bool {
	return u.Type == string(types.UpdateTypeControlPlaneScalingConfigUpdate) && seen.Tier >= u.Generation
}

// EndTier ends the changes of a cluster's tier that have failed, as another is about to take their place.
func EndTier(cluster *v1alpha1.Cluster) error {
	all, seen := Updates(cluster), ObservedCluster(cluster)
	for i := range all {
		if all[i].Ended == "" && all[i].tierRefused(seen) {
			all[i].Ended = seen.TierLacking
		}
	}
	return SetNote(cluster, v1alpha1.AnnotationUpdates, all)
}

func (u Update) status(seen Observed) types.UpdateStatus {
	ready := seen.Ready
	if u.Identity {
		ready = seen.Identity
	}
	switch {
	case u.Ended != "" || u.tierRefused(seen):
		return types.UpdateStatusFailed
	case ready >= u.Generation:
		return types.UpdateStatusSuccessful
	}
	return types.UpdateStatusInProgress
}

// Shape is the update as EKS tells it.
func (u Update) Shape(seen Observed) *types.Update {
	shape := &types.Update{
		Id: aws.String(u.ID), Type: types.UpdateType(u.Type), Status: u.status(seen), CreatedAt: aws.Time(u.Created),
		Errors: []types.ErrorDetail{}, Params: []types.UpdateParam{},
	}
	for _, param := range u.Params {
		shape.Params = append(shape.Params, types.UpdateParam{Type: types.UpdateParamType(param[0]), Value: aws.String(param[1])})
	}
	switch {
	case u.Ended != "":
		shape.Errors = append(shape.Errors, types.ErrorDetail{ErrorCode: types.ErrorCodeOperationNotPermitted, ErrorMessage: aws.String(u.Ended)})
	case u.tierRefused(seen):
		shape.Errors = append(shape.Errors, types.ErrorDetail{ErrorCode: types.ErrorCodeOperationNotPermitted, ErrorMessage: aws.String(seen.TierLacking)})
	case u.Identity && shape.Status == types.UpdateStatusInProgress && seen.Lacking != "":
		shape.Errors = append(shape.Errors, types.ErrorDetail{ErrorCode: types.ErrorCodeUnknown, ErrorMessage: aws.String(seen.Lacking)})
	}
	return shape
}
