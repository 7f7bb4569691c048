package observation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"naru.dev/naru/api/v1alpha1"
)

// Kubernetes' own types know what replaces them, and since when they have been there.
type (
	replaced interface {
		APILifecycleReplacement() schema.GroupVersionKind
	}
	introduced interface{ APILifecycleIntroduced() (major, minor int) }
)

// replace says what a deprecated API is to be replaced with, where Kubernetes' types know.
func replace(api *v1alpha1.DeprecatedAPI) {
	for kind := range scheme.Scheme.KnownTypes(schema.GroupVersion{Group: api.Group, Version: api.Version}) {
		gvk := schema.GroupVersionKind{Group: api.Group, Version: api.Version, Kind: kind}
		if plural, _ := meta.UnsafeGuessKindToResource(gvk); plural.Resource != api.Resource {
			continue
		}
		object, err := scheme.Scheme.New(gvk)
		if err != nil {
			continue // it was among the known types
		}
		old, ok := object.(replaced)
		if !ok {
			continue
		}
		replacement := old.APILifecycleReplacement()
		plural, _ := meta.UnsafeGuessKindToResource(replacement)
		api.Replacement = "/apis/" + plural.Group + "/" + plural.Version + "/" + plural.Resource
		if replacement.Group == "" {
			api.Replacement = "/api/" + plural.Version + "/" + plural.Resource
		}
		if object, err := scheme.Scheme.New(replacement); err == nil {
			if since, ok := object.(introduced); ok {
				major, minor := since.APILifecycleIntroduced()
				api.ReplacementSince = fmt.Sprintf("%d.%d", major, minor)
			}
		}
		return
	}
}
