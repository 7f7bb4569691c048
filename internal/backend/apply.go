package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// Change is what applying an object did.
type Change string

// The changes.
const (
	Created    Change = "created"
	Configured Change = "configured"
	Unchanged  Change = "unchanged"
)

// Apply writes documents by server-side apply, clusters before their node groups and Fargate profiles, whose
// namespace is waited for. Every document is validated before the first is written. report hears
// of each object.
// Errors: *InvalidError, *NotFoundError, *WaitError, and those of the API server's own rules.
func (b *Backend) Apply(ctx context.Context, documents []Document, report func(Document, Change)) error {
	documents = slices.Clone(documents)
	slices.SortStableFunc(documents, func(x, y Document) int { return rank(x) - rank(y) })
	if err := b.validate(ctx, documents); err != nil {
		return err
	}
	for _, document := range documents {
		if rank(document) == ofCluster {
			if err := b.awaitNamespace(ctx, v1alpha1.ClusterOf(document.Typed.GetNamespace())); err != nil {
				return err
			}
		}
		change, err := b.apply(ctx, document.Object.DeepCopy())
		if err != nil {
			return err
		}
		report(document, change)
	}
	return nil
}

// ofCluster is the rank of what is in a cluster's namespace.
const ofCluster = 2

// rank orders kinds so that what others name comes first.
func rank(d Document) int {
	switch d.Typed.(type) {
	case *v1alpha1.MachineClass:
		return 0
	case *v1alpha1.Cluster:
		return 1
	}
	return ofCluster
}

// validate checks all documents against each other and against what is there.
func (b *Backend) validate(ctx context.Context, documents []Document) error {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return err
	}
	clusters := map[string]bool{}
	for _, document := range documents {
		switch object := document.Typed.(type) {
		case *v1alpha1.MachineClass:
			catalogue.MachineClasses = append(catalogue.MachineClasses, object.Name)
		case *v1alpha1.Cluster:
			clusters[object.Name] = true
			err = ValidateCluster(object, catalogue)
		case *v1alpha1.NodeGroup:
			err = ValidateNodeGroup(object, catalogue)
		case *v1alpha1.FargateProfile:
			err = ValidateFargateProfile(object, catalogue)
		}
		if err == nil && rank(document) == ofCluster {
			if cluster := v1alpha1.ClusterOf(document.Typed.GetNamespace()); !clusters[cluster] {
				_, err = b.Cluster(ctx, cluster)
			}
		}
		if err != nil {
			return at(document, err)
		}
	}
	return nil
}

// at says where in a manifest an invalid field stands.
func at(document Document, err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return &InvalidError{Field: fmt.Sprintf("%s (%s %s): %s", document.Source, document.Object.GetKind(), document.Object.GetName(), invalid.Field), Message: invalid.Message}
	}
	return err
}

func (b *Backend) apply(ctx context.Context, object *unstructured.Unstructured) (Change, error) {
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(object.GroupVersionKind())
	err := b.client.Get(ctx, client.ObjectKeyFromObject(object), before)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	existed := err == nil
	unstructured.RemoveNestedField(object.Object, "status")
	if err := b.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return "", fmt.Errorf("applying %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	switch {
	case !existed:
		return Created, nil
	case before.GetResourceVersion() == object.GetResourceVersion():
		return Unchanged, nil
	}
	return Configured, nil
}
