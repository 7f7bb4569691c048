package component

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Rollout is what was observed of a workload.
type Rollout struct {
	// Exists says that the workload was found.
	Exists bool
	// Wanted is how many pods there are to be, Ready how many are ready.
	Wanted, Ready int32
	// Done: all pods are of the newest template and available, and none is left of an older one.
	Done bool
	// Message says what is missing, where Done is false.
	Message string
}

// Observe reads how far a component's workload is in a namespace. A workload that does not exist is
// no error.
func (c Component) Observe(ctx context.Context, reader client.Reader, namespace string) (Rollout, error) {
	rollout, err := observe(ctx, reader, c.Workload, namespace)
	if apierrors.IsNotFound(err) {
		return Rollout{Message: c.Name + " is not there yet"}, nil
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("observing %s: %w", c.Name, err)
	}
	rollout.Exists = true
	if !rollout.Done {
		rollout.Message = fmt.Sprintf("%s has %d of %d ready", c.Name, rollout.Ready, rollout.Wanted)
		if rollout.Ready == rollout.Wanted {
			rollout.Message = c.Name + " is being replaced by a newer one"
		}
	}
	return rollout, nil
}

func observe(ctx context.Context, reader client.Reader, w Workload, namespace string) (Rollout, error) {
	key := client.ObjectKey{Namespace: namespace, Name: w.Name}
	switch w.Kind {
	case "Deployment":
		d := &appsv1.Deployment{}
		if err := reader.Get(ctx, key, d); err != nil {
			return Rollout{}, err
		}
		return newRollout(wanted(d.Spec.Replicas), d.Status.ReadyReplicas, d.Status.UpdatedReplicas,
			d.Status.Replicas, d.Generation == d.Status.ObservedGeneration), nil
	case "StatefulSet":
		s := &appsv1.StatefulSet{}
		if err := reader.Get(ctx, key, s); err != nil {
			return Rollout{}, err
		}
		updated := s.Status.UpdatedReplicas
		if s.Status.UpdateRevision == s.Status.CurrentRevision {
			updated = s.Status.Replicas
		}
		return newRollout(wanted(s.Spec.Replicas), s.Status.ReadyReplicas, updated,
			s.Status.Replicas, s.Generation == s.Status.ObservedGeneration), nil
	case "DaemonSet":
		d := &appsv1.DaemonSet{}
		if err := reader.Get(ctx, key, d); err != nil {
			return Rollout{}, err
		}
		n := d.Status.DesiredNumberScheduled
		r := newRollout(n, d.Status.NumberReady, d.Status.UpdatedNumberScheduled, n,
			d.Generation == d.Status.ObservedGeneration)
		r.Done = r.Done && n > 0
		return r, nil
	}
	return Rollout{}, fmt.Errorf("a %s is no workload", w.Kind)
}

func newRollout(wanted, ready, updated, total int32, seen bool) Rollout {
	return Rollout{
		Wanted: wanted, Ready: ready,
		Done: seen && ready >= wanted && updated >= wanted && total == wanted,
	}
}

func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}
