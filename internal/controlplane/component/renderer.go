package component

import (
	"maps"
	"reflect"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Renderer renders components again only where their scope has changed since the last time: while a cluster starts, that is
// asked several times a second, and a control plane takes some 15 ms of a processor. It is safe for concurrent use.
type Renderer struct {
	mu   sync.Mutex
	last map[string]rendering
}

type rendering struct {
	scope   Scope
	objects []*unstructured.Unstructured
}

// NewRenderer returns a Renderer that has rendered nothing yet.
func NewRenderer() *Renderer {
	return &Renderer{last: map[string]rendering{}}
}

// Render is the component's Render. Its objects are given to others as well: they may be read, and never changed.
func (r *Renderer) Render(c Component, scope Scope) ([]*unstructured.Unstructured, error) {
	key := scope.Namespace + "/" + c.Name
	r.mu.Lock()
	last, known := r.last[key]
	r.mu.Unlock()
	if known && reflect.DeepEqual(last.scope, scope) {
		return last.objects, nil
	}
	objects, err := c.Render(scope)
	if err != nil {
		return nil, err
	}
	scope.Images, scope.Hashes = maps.Clone(scope.Images), maps.Clone(scope.Hashes)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[key] = rendering{scope, objects}
	return objects, nil
}

// Forget drops what was rendered for a namespace that was deleted.
func (r *Renderer) Forget(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.last, func(key string, _ rendering) bool { return strings.HasPrefix(key, namespace+"/") })
}
