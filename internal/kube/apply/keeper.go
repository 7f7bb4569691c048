package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Keeper applies objects again and again, and asks the server only where an object, or what is wanted of it, has changed
// since its last time. What it knows is in memory: a new Keeper applies everything once. It is safe for concurrent use.
type Keeper struct {
	client client.Client

	mu   sync.Mutex
	seen map[identity]state
}

type identity struct {
	kind schema.GroupVersionKind
	key  client.ObjectKey
}

// state is what an object was after it was applied.
type state struct {
	wanted  uint64
	version string
}

// NewKeeper returns a Keeper that reads with c, usually the manager's cached client, and writes with it. Kinds that
// c's scheme lacks are applied every time.
func NewKeeper(c client.Client) *Keeper {
	return &Keeper{client: c, seen: map[identity]state{}}
}

// Objects is the package's Objects for objects that are likely to be as they should. It returns true where all of them were:
// what the client has read of them speaks of what is wanted now. Where it returns false, a status read before is of the past.
func (k *Keeper) Objects(ctx context.Context, objects ...*unstructured.Unstructured) (asWanted bool, err error) {
	asWanted = true
	for _, object := range objects {
		same, err := k.one(ctx, object)
		if err != nil {
			return false, err
		}
		asWanted = asWanted && same
	}
	return asWanted, nil
}

// Forget drops what is known of a namespace that was deleted.
func (k *Keeper) Forget(namespace string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.seen {
		if id.key.Namespace == namespace || id.key.Name == namespace {
			delete(k.seen, id)
		}
	}
}

func (k *Keeper) one(ctx context.Context, object *unstructured.Unstructured) (asWanted bool, err error) {
	id := identity{object.GroupVersionKind(), client.ObjectKeyFromObject(object)}
	wanted, err := fingerprint(object)
	if err != nil {
		return false, fmt.Errorf("applying %s %s: %w", id.kind.Kind, id.key, err)
	}
	version, err := k.live(ctx, id)
	if err != nil {
		return false, fmt.Errorf("applying %s %s: %w", id.kind.Kind, id.key, err)
	}
	k.mu.Lock()
	last, known := k.seen[id]
	k.mu.Unlock()
	if known && last.wanted == wanted && last.version == version && version != "" {
		return true, nil
	}
	applied := object.DeepCopy()
	if err := Objects(ctx, k.client, applied); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[id] = state{wanted: wanted, version: versionOf(applied)}
	return versionOf(applied) == version, nil
}

// live reads the version of an object; empty: it does not exist, or can't be read cheaply.
func (k *Keeper) live(ctx context.Context, id identity) (string, error) {
	made, err := k.client.Scheme().New(id.kind)
	if runtime.IsNotRegisteredError(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	object, ok := made.(client.Object)
	if !ok {
		return "", nil
	}
	if err := k.client.Get(ctx, id.key, object); apierrors.IsNotFound(err) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return versionOf(object), nil
}

// versionOf changes when somebody changes what is wanted of an object; where the server counts that, the
// status does not matter.
func versionOf(object client.Object) string {
	if generation := object.GetGeneration(); generation > 0 {
		return string(object.GetUID()) + "/" + strconv.FormatInt(generation, 10)
	}
	return string(object.GetUID()) + "@" + object.GetResourceVersion()
}

func fingerprint(object *unstructured.Unstructured) (uint64, error) {
	content, err := json.Marshal(object.Object)
	if err != nil {
		return 0, err
	}
	h := fnv.New64a()
	h.Write(content)
	return h.Sum64(), nil
}
