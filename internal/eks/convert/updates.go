package convert

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

// keptUpdates is how many changes an object remembers.
const keptUpdates = 20

// Update is one change of a cluster or a node group, as it is remembered in the object.
type Update struct {
	ID      string      `json:"id"`
	Type    string      `json:"type"`
	Params  [][2]string `json:"params,omitempty"`
	Created time.Time   `json:"created"`
	// Generation of the spec that the change led to. It is done once the object was Ready for that one.
	Generation int64 `json:"generation"`
	Token      Token `json:"token,omitzero"`
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

// Running tells whether a change of an object is not done yet. ready is the newest generation that
// the object was Ready for.
func Running(o metav1.Object, ready int64) bool {
	return slices.ContainsFunc(Updates(o), func(u Update) bool { return u.status(ready) == types.UpdateStatusInProgress })
}

func (u Update) status(ready int64) types.UpdateStatus {
	if ready >= u.Generation {
		return types.UpdateStatusSuccessful
	}
	return types.UpdateStatusInProgress
}

// Shape is the update as EKS tells it.
func (u Update) Shape(ready int64) *types.Update {
	shape := &types.Update{
		Id: aws.String(u.ID), Type: types.UpdateType(u.Type), Status: u.status(ready), CreatedAt: aws.Time(u.Created),
		Errors: []types.ErrorDetail{}, Params: []types.UpdateParam{},
	}
	for _, param := range u.Params {
		shape.Params = append(shape.Params, types.UpdateParam{Type: types.UpdateParamType(param[0]), Value: aws.String(param[1])})
	}
	return shape
}
