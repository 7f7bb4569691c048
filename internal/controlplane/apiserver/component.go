// Package apiserver is the API servers of a control plane, each with a konnectivity server beside it.
package apiserver

import (
	"embed"
	"net"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Deployment and of its headless Service.
const Name = "kube-apiserver"

// Address is where the server of a pod listens; pki.APIServerHost is a name of its certificate.
func Address(pod *corev1.Pod) string { return net.JoinHostPort(pod.Status.PodIP, "6443") }

// New returns the component.
func New() component.Component {
	return component.Component{
		Name: Name, Manifests: manifests,
		Workload: component.Workload{Kind: "Deployment", Name: Name},
	}
}

// EtcdServers is how many members of etcd a Deployment's API servers are told of; 0 where it says nothing.
func EtcdServers(deployment *appsv1.Deployment) int32 {
	for _, container := range deployment.Spec.Template.Spec.Containers {
		for _, arg := range container.Args {
			if urls, ok := strings.CutPrefix(arg, "--etcd-servers="); ok {
				return int32(strings.Count(urls, ",") + 1)
			}
		}
	}
	return 0
}
