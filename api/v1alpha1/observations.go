package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterObservations are facts that tell whether a cluster can take another version. They are observed now and then, and when
// AnnotationObserve asks for it.
type ClusterObservations struct {
	// observedAt is when the last observation ended; absent: there was none.
	// +optional
	ObservedAt metav1.Time `json:"observedAt,omitzero"`
	// apiServers is how many API servers there were, and answered how many of them told their metrics.
	// +optional
	APIServers int32 `json:"apiServers,omitempty"`
	// +optional
	Answered int32 `json:"answered,omitempty"`
	// apiProblem is why one of them did not.
	// +optional
	APIProblem string `json:"apiProblem,omitempty"`
	// deprecatedAPIs were requested from any of those that answered, since it started.
	// +listType=atomic
	// +optional
	DeprecatedAPIs []DeprecatedAPI `json:"deprecatedAPIs,omitempty"`
	// kubelets are those that registered, by version.
	// +listType=map
	// +listMapKey=version
	// +optional
	Kubelets []KubeletVersion `json:"kubelets,omitempty"`
	// nodesProblem is why nodes could not be listed; kubelets is empty then.
	// +optional
	NodesProblem string `json:"nodesProblem,omitempty"`
}

// DeprecatedAPI is a version of a resource that Kubernetes advises against, and that somebody requested.
type DeprecatedAPI struct {
	// group, version and resource, as batch, v1beta1 and cronjobs; the core group is empty.
	// +optional
	Group string `json:"group,omitempty"`
	// +required
	Version string `json:"version"`
	// +required
	Resource string `json:"resource"`
	// removedRelease is the minor version that no longer serves it, as "1.38"; empty: none is known.
	// +optional
	RemovedRelease string `json:"removedRelease,omitempty"`
	// replacement is what to use in its place, as /apis/batch/v1/cronjobs, and replacementSince the minor version that it came
	// with; empty: Kubernetes' types don't say.
	// +optional
	Replacement string `json:"replacement,omitempty"`
	// +optional
	ReplacementSince string `json:"replacementSince,omitempty"`
	// requests is how many there were since the API servers that answered started.
	// +optional
	Requests int64 `json:"requests,omitempty"`
}

// KubeletVersion says which nodes have kubelets of a version.
type KubeletVersion struct {
	// version as the kubelet says it, "v1.37.1".
	// +required
	Version string `json:"version"`
	// count is how many nodes there are, nodes the names of the first ten.
	// +required
	Count int32 `json:"count"`
	// +listType=atomic
	// +optional
	Nodes []string `json:"nodes,omitempty"`
}
