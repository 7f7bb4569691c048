// Package await follows one object of a cluster until a decision about it is made.
package await

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Decide looks at an object, or at its absence, and tells whether the wait is over. An error ends it too.
type Decide func(found bool) (done bool, err error)

// pause between two attempts at a server that does not answer.
const pause = 300 * time.Millisecond

// Object reads the object, whose name and namespace are set, into itself and calls decide, then
// again after each change, until decide is done or ctx ends (its error is returned). A server that
// can't be reached or answers with a 5xx is tried again: the hosting cluster may be restarting.
// list is an empty list of the object's kind.
func Object(ctx context.Context, c client.WithWatch, object client.Object, list client.ObjectList, decide Decide) error {
	f := follower{client: c, object: object, list: list, decide: decide, key: client.ObjectKeyFromObject(object)}
	for {
		done, err := f.once(ctx)
		if done {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

type follower struct {
	client client.WithWatch
	object client.Object
	list   client.ObjectList
	decide Decide
	key    client.ObjectKey
}

// once follows one watch to its end. The watch is opened before the object is read, so that no
// change falls between the two.
func (f *follower) once(ctx context.Context) (done bool, err error) {
	options := []client.ListOption{client.MatchingFields{"metadata.name": f.key.Name}}
	if f.key.Namespace != "" {
		options = append(options, client.InNamespace(f.key.Namespace))
	}
	events, err := f.client.Watch(ctx, f.list, options...)
	if err != nil {
		return false, fmt.Errorf("watching %s: %w", f.key, err)
	}
	defer events.Stop()
	if done, err := f.look(ctx); done || err != nil {
		return done, err
	}
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-events.ResultChan():
			if !open || event.Type == watch.Error {
				return false, nil
			}
			changed, ok := event.Object.(client.Object)
			if !ok || changed.GetName() != f.key.Name {
				continue
			}
			if done, err := f.look(ctx); done || err != nil {
				return done, err
			}
		}
	}
}

// look reads the object anew: an event may be older than what was read before.
func (f *follower) look(ctx context.Context) (done bool, err error) {
	err = f.client.Get(ctx, f.key, f.object)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading %s: %w", f.key, err)
	}
	done, err = f.decide(err == nil)
	return done || err != nil, err
}

func transient(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true // no answer at all
	}
	return status.Status().Code >= 500 || status.Status().Code == 429
}
