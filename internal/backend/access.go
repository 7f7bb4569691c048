package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// StandardEntry is the type of an access entry for people and programs, as opposed to machines.
const StandardEntry = "STANDARD"

// maxEntryPolicies and maxEntryGroups are what an access entry may have at most.
const maxEntryPolicies, maxEntryGroups = 20, 100

// ValidateAccessEntry checks what an entry says of its principal, by the rules of
// https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
func ValidateAccessEntry(entry *v1alpha1.AccessEntry) error {
	spec := entry.Spec
	if spec.Type != StandardEntry {
		if len(spec.KubernetesGroups)+len(spec.Policies) > 0 {
			return invalidf("type", "an entry of type %s has neither groups nor policies of its own: only STANDARD ones do", spec.Type)
		}
		return nil
	}
	if err := validateUsername(spec); err != nil {
		return err
	}
	if len(spec.KubernetesGroups) > maxEntryGroups {
		return invalidf("kubernetesGroups", "there are %d, at most %d can be", len(spec.KubernetesGroups), maxEntryGroups)
	}
	for _, group := range spec.KubernetesGroups {
		if prefix := reservedPrefix(group); prefix != "" || group == "" || len(group) > 253 {
			return invalidf("kubernetesGroups", "The kubernetes group name %s is invalid: it may not begin with %s", group, strings.Join(v1alpha1.ReservedPrefixes(), ", "))
		}
	}
	if len(spec.Policies) > maxEntryPolicies {
		return invalidf("policyArn", "there are %d policies, at most %d can be", len(spec.Policies), maxEntryPolicies)
	}
	return nil
}

func validateUsername(spec v1alpha1.AccessEntrySpec) error {
	if prefix := reservedPrefix(spec.Username); prefix != "" {
		return invalidf("username", "The username %s is invalid: it may not begin with %s", spec.Username, prefix)
	}
	for i := strings.Index(spec.Username, "{{"); i >= 0; {
		rest := spec.Username[i:]
		name, _, closed := strings.Cut(rest[2:], "}}")
		known := closed && slices.Contains([]string{"AccountID", "AccessKeyID", "EC2PrivateDNSName", "SessionName", "SessionNameRaw"}, name)
		if !known {
			return invalidf("username", "%s: in braces there may be {{SessionName}} and {{AccountID}}", spec.Username)
		}
		// Otherwise somebody who chooses the session's name chooses the user's.
		if strings.HasPrefix(name, "SessionName") && !strings.Contains(spec.Username[:i], ":") {
			return invalidf("username", "%s: a colon must come before {{%s}}, so that no session can take another user's name", spec.Username, name)
		}
		next := strings.Index(rest[2:], "{{")
		if next < 0 {
			return nil
		}
		i += 2 + next
	}
	return nil
}

func reservedPrefix(name string) string {
	for _, prefix := range v1alpha1.ReservedPrefixes() {
		if strings.HasPrefix(name, prefix) {
			return prefix
		}
	}
	return ""
}

// AccessEntries lists the access entries of an existing cluster, by principal. Errors: *NotFoundError.
func (b *Backend) AccessEntries(ctx context.Context, cluster string) ([]v1alpha1.AccessEntry, error) {
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return nil, err
	}
	list := &v1alpha1.AccessEntryList{}
	if err := b.client.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing access entries: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.AccessEntry) int { return cmp.Compare(x.Spec.PrincipalARN, y.Spec.PrincipalARN) })
	return list.Items, nil
}

// AccessEntry reads a principal's entry. Errors: *NotFoundError for it or its cluster.
func (b *Backend) AccessEntry(ctx context.Context, cluster, principal string) (*v1alpha1.AccessEntry, error) {
	entry := &v1alpha1.AccessEntry{}
	return entry, b.part(ctx, cluster, v1alpha1.AccessEntryName(principal), entry, &NotFoundError{Kind: "access entry", Name: principal,
		Next: "list them with \"aws eks list-access-entries\""})
}

// part reads an object in a cluster's namespace.
func (b *Backend) part(ctx context.Context, cluster, name string, object client.Object, missing *NotFoundError) error {
	err := b.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(cluster), Name: name}, object)
	if !apierrors.IsNotFound(err) {
		if err != nil {
			return fmt.Errorf("reading %s %q: %w", missing.Kind, missing.Name, err)
		}
		return nil
	}
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return err
	}
	return missing
}

// CreateAccessEntry writes an entry of an existing cluster, as soon as that has a namespace.
// Errors: *InvalidError, *NotFoundError, *RefusedError, *WaitError.
func (b *Backend) CreateAccessEntry(ctx context.Context, entry *v1alpha1.AccessEntry) error {
	if err := ValidateAccessEntry(entry); err != nil {
		return err
	}
	entry.Name = v1alpha1.AccessEntryName(entry.Spec.PrincipalARN)
	return b.createPart(ctx, entry, "access entry", entry.Spec.PrincipalARN)
}

// createPart writes an object into the namespace of a cluster, which is waited for.
func (b *Backend) createPart(ctx context.Context, object client.Object, kind, name string) error {
	cluster, err := b.Cluster(ctx, v1alpha1.ClusterOf(object.GetNamespace()))
	if err != nil {
		return err
	}
	if cluster.DeletionTimestamp != nil {
		return beingDeleted(cluster)
	}
	if err := b.awaitNamespace(ctx, cluster.Name); err != nil {
		return err
	}
	err = b.client.Create(ctx, object, client.FieldOwner(fieldManager))
	switch {
	case apierrors.IsAlreadyExists(err):
		return &RefusedError{Exists, fmt.Sprintf("cluster %q has an %s for %s already", cluster.Name, kind, name)}
	case apierrors.IsInvalid(err):
		return invalidf(name, "%s", err)
	case err != nil:
		return fmt.Errorf("creating %s %q: %w", kind, name, err)
	}
	return nil
}

// ChangeAccessEntry reads a principal's entry, lets change alter it, and writes it.
// Errors: *NotFoundError, *InvalidError, and those of change.
func (b *Backend) ChangeAccessEntry(ctx context.Context, cluster, principal string, change func(*v1alpha1.AccessEntry) error) (*v1alpha1.AccessEntry, error) {
	return write(ctx, b, func() (*v1alpha1.AccessEntry, error) {
		entry, err := b.AccessEntry(ctx, cluster, principal)
		if err != nil {
			return nil, err
		}
		if err := change(entry); err != nil {
			return nil, err
		}
		return entry, ValidateAccessEntry(entry)
	})
}

// DeleteAccessEntry shuts a principal out of a cluster. Errors: *NotFoundError.
func (b *Backend) DeleteAccessEntry(ctx context.Context, cluster, principal string) error {
	entry, err := b.AccessEntry(ctx, cluster, principal)
	if err != nil {
		return err
	}
	return b.deletePart(ctx, entry, "access entry")
}

func (b *Backend) deletePart(ctx context.Context, object client.Object, kind string) error {
	uid := object.GetUID()
	if err := b.client.Delete(ctx, object, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s %q: %w", kind, object.GetName(), err)
	}
	return nil
}
