package ecr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// Record is what a repository has besides images.
type Record struct {
	Name string `json:"name"`
	// Mutability is MUTABLE or IMMUTABLE; empty is MUTABLE.
	Mutability string            `json:"mutability,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	// Policy says, as its author has written it, who may do what with the repository; empty: only callers' own policies do.
	Policy string `json:"policy,omitempty"`
	// Created is when the record was, in seconds since 1970. It is not written.
	Created int64 `json:"-"`
}

// recordLabel marks the ConfigMaps of records; dataRecord is the key that the record is in, as JSON.
const recordLabel, dataRecord = "naru.dev/ecr-repository", "record"

// Records keeps them in the hosting cluster, one ConfigMap of naru-system each. The client must read what was just written.
type Records struct{ Client client.Client }

// object is the ConfigMap of a repository. Names of repositories have slashes and underscores: its name is a hash.
func object(name string) *corev1.ConfigMap {
	sum := sha256.Sum256([]byte(name))
	kept := &corev1.ConfigMap{}
	kept.Namespace, kept.Name = v1alpha1.SystemNamespace, "ecr-"+hex.EncodeToString(sum[:16])
	kept.Labels = map[string]string{recordLabel: ""}
	return kept
}

func read(kept *corev1.ConfigMap) (Record, error) {
	record := Record{Created: kept.CreationTimestamp.Unix()}
	if err := json.Unmarshal([]byte(kept.Data[dataRecord]), &record); err != nil {
		return Record{}, fmt.Errorf("reading ConfigMap %s: %w", kept.Name, err)
	}
	return record, nil
}

func write(kept *corev1.ConfigMap, record Record) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("writing the record of %s: %w", record.Name, err)
	}
	kept.Data = map[string]string{dataRecord: string(text)}
	return nil
}

// Get returns a repository's record, if it has one.
func (r Records) Get(ctx context.Context, name string) (record Record, found bool, err error) {
	kept := object(name)
	err = r.Client.Get(ctx, client.ObjectKeyFromObject(kept), kept)
	if apierrors.IsNotFound(err) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("reading the record of %s: %w", name, err)
	}
	record, err = read(kept)
	return record, err == nil, err
}

// List returns all, by name.
func (r Records) List(ctx context.Context) ([]Record, error) {
	var list corev1.ConfigMapList
	if err := r.Client.List(ctx, &list, client.InNamespace(v1alpha1.SystemNamespace), client.HasLabels{recordLabel}); err != nil {
		return nil, fmt.Errorf("listing repositories: %w", err)
	}
	records := make([]Record, 0, len(list.Items))
	for i := range list.Items {
		record, err := read(&list.Items[i])
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return records, nil
}

// Immutable are the repositories whose tags are not to be moved.
func (r Records) Immutable(ctx context.Context) (map[string]bool, error) {
	records, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, record := range records {
		if record.Mutability == immutable {
			names[record.Name] = true
		}
	}
	return names, nil
}

// Create writes a new record; ok is false where there is one.
func (r Records) Create(ctx context.Context, record Record) (made Record, ok bool, err error) {
	kept := object(record.Name)
	if err := write(kept, record); err != nil {
		return Record{}, false, err
	}
	err = r.Client.Create(ctx, kept)
	if apierrors.IsAlreadyExists(err) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("creating the record of %s: %w", record.Name, err)
	}
	made, err = read(kept)
	return made, err == nil, err
}

// Change changes a record, or makes one of a repository that had none.
func (r Records) Change(ctx context.Context, name string, change func(*Record)) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		kept := object(name)
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(kept), kept)
		if apierrors.IsNotFound(err) {
			record := Record{Name: name}
			change(&record)
			_, _, err := r.Create(ctx, record)
			return err
		}
		if err != nil {
			return err
		}
		record, err := read(kept)
		if err != nil {
			return err
		}
		change(&record)
		if err := write(kept, record); err != nil {
			return err
		}
		return r.Client.Update(ctx, kept)
	})
	if err != nil {
		return fmt.Errorf("changing the record of %s: %w", name, err)
	}
	return nil
}

// Delete takes a record away, if there is one.
func (r Records) Delete(ctx context.Context, name string) error {
	if err := r.Client.Delete(ctx, object(name)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the record of %s: %w", name, err)
	}
	return nil
}
