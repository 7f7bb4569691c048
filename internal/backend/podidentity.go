package backend

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// maxSessionPolicy is how many characters the policy of an association may have.
const maxSessionPolicy = 2048

// ValidatePodIdentityAssociation checks an association's own rules.
func ValidatePodIdentityAssociation(a *v1alpha1.PodIdentityAssociation) error {
	switch policy := a.Spec.Policy; {
	case len(policy) > maxSessionPolicy:
		return invalidf("policy", "it has %d characters, at most %d can be", len(policy), maxSessionPolicy)
	case policy != "" && !json.Valid([]byte(policy)):
		return invalidf("policy", "it is no valid JSON")
	case policy != "" && !a.Spec.DisableSessionTags:
		return invalidf("policy", "a policy needs disableSessionTags: session tags and a policy do not fit into one session")
	}
	return nil
}

// PodIdentityAssociations lists the associations of an existing cluster, by service account. Errors: *NotFoundError.
func (b *Backend) PodIdentityAssociations(ctx context.Context, cluster string) ([]v1alpha1.PodIdentityAssociation, error) {
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return nil, err
	}
	list := &v1alpha1.PodIdentityAssociationList{}
	if err := b.client.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing pod identity associations: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.PodIdentityAssociation) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}

// PodIdentityAssociation reads one by its id. Errors: *NotFoundError for it or its cluster.
func (b *Backend) PodIdentityAssociation(ctx context.Context, cluster, id string) (*v1alpha1.PodIdentityAssociation, error) {
	a := &v1alpha1.PodIdentityAssociation{}
	return a, b.part(ctx, cluster, id, a, &NotFoundError{Kind: "pod identity association", Name: id,
		Next: "list them with \"aws eks list-pod-identity-associations\""})
}

// CreatePodIdentityAssociation writes one of an existing cluster.
// Errors: *InvalidError, *NotFoundError, *RefusedError, *WaitError.
func (b *Backend) CreatePodIdentityAssociation(ctx context.Context, a *v1alpha1.PodIdentityAssociation) error {
	if err := ValidatePodIdentityAssociation(a); err != nil {
		return err
	}
	a.Name = v1alpha1.PodIdentityAssociationName(a.Spec.Namespace, a.Spec.ServiceAccount)
	return b.createPart(ctx, a, "pod identity association", a.Spec.Namespace+"/"+a.Spec.ServiceAccount)
}

// ChangePodIdentityAssociation reads one by its id, lets change alter it, and writes it.
// Errors: *NotFoundError, *InvalidError, and those of change.
func (b *Backend) ChangePodIdentityAssociation(ctx context.Context, cluster, id string, change func(*v1alpha1.PodIdentityAssociation) error) (*v1alpha1.PodIdentityAssociation, error) {
	return write(ctx, b, func() (*v1alpha1.PodIdentityAssociation, error) {
		a, err := b.PodIdentityAssociation(ctx, cluster, id)
		if err != nil {
			return nil, err
		}
		if err := change(a); err != nil {
			return nil, err
		}
		return a, ValidatePodIdentityAssociation(a)
	})
}

// DeletePodIdentityAssociation takes a service account's role away, and returns what it was.
// Errors: *NotFoundError.
func (b *Backend) DeletePodIdentityAssociation(ctx context.Context, cluster, id string) (*v1alpha1.PodIdentityAssociation, error) {
	a, err := b.PodIdentityAssociation(ctx, cluster, id)
	if err != nil {
		return nil, err
	}
	return a, b.deletePart(ctx, a, "pod identity association")
}
