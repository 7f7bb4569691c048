// Package consistent reads from memory what was written to an API server, and never less than what this
// process has written itself.
//
// A plain cache is behind for a moment after a write. To a front end that moment is a lie: who deletes
// a cluster and looks must not see it live. So a write returns when the cache has it.
package consistent

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const (
	// patience is how long a write waits for the cache. It takes milliseconds where the API server is well;
	// where it is not, the write stands all the same, and reads are behind.
	patience = 5 * time.Second
	poll     = 2 * time.Millisecond
)

// Client returns a client that keeps the objects of the given kinds in memory until ctx ends. It
// returns when it has them all. Of a kind with options only what these select is kept, and everything else of
// it is as if it did not exist. Namespaces are read from the server.
func Client(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, kinds map[client.Object]cache.ByObject) (client.WithWatch, error) {
	memory, err := cache.New(config, cache.Options{Scheme: scheme, ByObject: kinds})
	if err != nil {
		return nil, fmt.Errorf("making a cache: %w", err)
	}
	for kind := range kinds {
		if _, err := memory.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	go func() { _ = memory.Start(ctx) }() // it ends with ctx, and has no other end
	if !memory.WaitForCacheSync(ctx) {
		return nil, fmt.Errorf("reading the hosting cluster for the first time: %w", context.Cause(ctx))
	}
	both, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Cache: &client.CacheOptions{
		Reader: memory, DisableFor: []client.Object{&corev1.Namespace{}}}})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return Wrap(both), nil
}

// Wrap makes the writes of a client wait until its reads have them.
func Wrap(c client.WithWatch) client.WithWatch { return Fill(c, c) }

// Fill makes the writes of a client wait until memory has them, too, so that who reads there finds what was written here.
// What is written must be of what memory keeps.
func Fill(c client.WithWatch, memory client.Reader) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if err := c.Create(ctx, object, options...); err != nil {
				return err
			}
			return written(ctx, memory, object, true)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			if err := c.Update(ctx, object, options...); err != nil {
				return err
			}
			return written(ctx, memory, object, false)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := c.Patch(ctx, object, patch, options...); err != nil {
				return err
			}
			return written(ctx, memory, object, object.GetGeneration() == 1)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if err := c.Delete(ctx, object, options...); err != nil {
				return err
			}
			return deleted(ctx, memory, object)
		},
	})
}

// written waits until what is read is as new as what was written, or gone again. made tells that the object may be new.
func written(ctx context.Context, c client.Reader, object client.Object, made bool) error {
	return await(ctx, c, object, func(seen client.Object) bool {
		order, err := resourceversion.CompareResourceVersion(seen.GetResourceVersion(), object.GetResourceVersion())
		return err != nil || order >= 0 || seen.GetUID() != object.GetUID()
	}, made)
}

// deleted waits until what is read is on its way out, gone, or another of that name.
func deleted(ctx context.Context, c client.Reader, object client.Object) error {
	return await(ctx, c, object, func(seen client.Object) bool {
		return !seen.GetDeletionTimestamp().IsZero() || object.GetUID() != "" && seen.GetUID() != object.GetUID()
	}, false)
}

// await reads until done says so, or patience is at its end. mayBeNew tells that an object which is not
// there may be one that was not seen yet; otherwise it is gone, which ends the wait.
func await(ctx context.Context, c client.Reader, object client.Object, done func(client.Object) bool, mayBeNew bool) error {
	kind, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := c.Get(ctx, client.ObjectKeyFromObject(object), kind)
		switch {
		case err == nil && done(kind):
			return nil
		case apierrors.IsNotFound(err) && !mayBeNew:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // it is written; that reads are behind is no failure of the write
		case <-time.After(poll):
		}
	}
}
