package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Conflict is a field that another manager owns, and that has another value than the one that is to be applied.
type Conflict struct {
	// Object as Deployment kube-system/coredns, Field as .spec.replicas.
	Object, Field string
	// Message of the API server, which names the other manager.
	Message string
}

// ConflictError says that others own fields, so that nothing was applied.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	var all []string
	for _, c := range e.Conflicts {
		all = append(all, c.Object+": "+c.Message+": "+c.Field)
	}
	return strings.Join(all, "; ")
}

// Unforced applies objects without taking any field over. Every object is tried before the first is written: where others own
// fields of any of them, nothing is, and the error is a *ConflictError. (What changes between the two is refused by the API
// server then, with the same error.)
func Unforced(ctx context.Context, c client.Client, objects ...*unstructured.Unstructured) error {
	var conflicts []Conflict
	for _, object := range objects {
		err := unforced(ctx, c, object, client.DryRunAll)
		if other := new(ConflictError); errors.As(err, &other) {
			conflicts = append(conflicts, other.Conflicts...)
		} else if err != nil {
			return err
		}
	}
	if len(conflicts) > 0 {
		return &ConflictError{conflicts}
	}
	for _, object := range objects {
		if err := unforced(ctx, c, object); err != nil {
			return err
		}
	}
	return nil
}

// Preserving applies objects but for the fields that others own and have set to something else. It returns those.
func Preserving(ctx context.Context, c client.Client, objects ...*unstructured.Unstructured) ([]Conflict, error) {
	var left []Conflict
	for _, object := range objects {
		wanted := object.DeepCopy()
		err := unforced(ctx, c, wanted)
		other := new(ConflictError)
		if errors.As(err, &other) {
			left = append(left, other.Conflicts...)
			for _, conflict := range other.Conflicts {
				if !without(wanted.Object, conflict.Field) {
					return left, fmt.Errorf("leaving %s of %s: the field was not found in what is to be applied", conflict.Field, conflict.Object)
				}
			}
			err = unforced(ctx, c, wanted)
		}
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// unforced applies one object. The answer of the API server is not kept: the object may be applied again.
func unforced(ctx context.Context, c client.Client, object *unstructured.Unstructured, options ...client.ApplyOption) error {
	name := object.GetKind() + " " + client.ObjectKeyFromObject(object).String()
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), append(options, client.FieldOwner(FieldManager))...)
	if !apierrors.IsConflict(err) {
		if err != nil {
			return fmt.Errorf("applying %s: %w", name, err)
		}
		return nil
	}
	var status apierrors.APIStatus
	conflicts := &ConflictError{}
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == metav1.CauseTypeFieldManagerConflict {
				conflicts.Conflicts = append(conflicts.Conflicts, Conflict{Object: name, Field: cause.Field, Message: cause.Message})
			}
		}
	}
	if len(conflicts.Conflicts) == 0 {
		return fmt.Errorf("applying %s: %w", name, err)
	}
	return conflicts
}

// Owned tells whether Naru has applied an object: one of the same name may be somebody else's.
func Owned(object client.Object) bool {
	return slices.ContainsFunc(object.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == FieldManager && f.Operation == metav1.ManagedFieldsOperationApply
	})
}
