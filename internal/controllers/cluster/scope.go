package cluster

import (
	"maps"
	"strings"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/conditions"
)

// scope is what one pass knows of a cluster. Each phase adds to it what the next ones need.
type scope struct {
	cluster *v1alpha1.Cluster
	render  component.Scope
	// leaves are the certificates that the controller itself uses or copies, authorities the CAs.
	leaves      map[string]pki.Material
	authorities map[string]pki.Material
	// inForce says which authorities are trusted and sign; obsolete names the Secrets of others, which are about to go.
	// generations are the certificates of both, and of what is wanted.
	inForce     pki.Authorities
	generations map[int32][]byte
	obsolete    []string
	// missing is what the servers lack; apiServers is how many API servers are ready.
	missing    []string
	apiServers int32
	// etcdAnswers says that most members take connections.
	etcdAnswers bool
	// serverAnswers says that an API server answers requests, ready or not.
	serverAnswers bool
	// providerProblem is why the cluster's identity provider can't be loaded.
	providerProblem string
	// serversSeen says that missing is complete as far as servers are concerned.
	serversSeen bool
	// tierDecided is the tier that the control plane has or is becoming; render.Tier is what the next component is rendered in.
	tierDecided string
	// tierLacking is why the control plane can't have the tier that was asked for, tierReason the reason for the condition.
	tierLacking, tierReason string
	// answering says that the API answered through the front in this pass.
	answering bool
}

func newScope(cluster *v1alpha1.Cluster, settings Settings) *scope {
	return &scope{
		cluster: cluster,
		leaves:  map[string]pki.Material{}, authorities: map[string]pki.Material{},
		render: component.Scope{
			Cluster: cluster.Name, Namespace: v1alpha1.Namespace(cluster.Name),
			Replicas: cluster.Spec.ControlPlane.Replicas, APIServer: cluster.Spec.ControlPlane.APIServer,
			ControllerManager: cluster.Spec.ControlPlane.ControllerManager, Scheduler: cluster.Spec.ControlPlane.Scheduler,
			PodCIDR: cluster.Spec.Networking.PodCIDR, ServiceCIDR: cluster.Spec.Networking.ServiceCIDR,
			PublishFrom: publishFrom(cluster.Spec.EndpointAccess),
			HostingPods: settings.HostingPods, HostingServices: settings.HostingServices,
			HostingDNS: settings.HostingDNS, Registry: settings.Registry, Authenticator: settings.Authenticator,
			PodRoles: settings.PodRoles,
			Hashes:   map[string]string{},
		},
	}
}

func (s *scope) use(revision *v1alpha1.ClusterRevision) {
	s.render.Version = revision.Spec.Version
	s.render.EmulatedVersion = revision.Spec.EmulatedVersion
	s.render.Images = maps.Clone(revision.Spec.Images)
	s.cluster.Status.Revision = revision.Name
}

// parts are the conditions that Ready summarises, in the order of the phases.
var parts = []string{
	v1alpha1.ClusterEndpointReady, v1alpha1.ClusterRevisionReady, v1alpha1.ClusterPKIReady, v1alpha1.ClusterEtcdReady,
	v1alpha1.ClusterControlPlaneReady, v1alpha1.ClusterBootstrapped, v1alpha1.ClusterAuthoritiesReady,
}

// summarize sets Ready, and the condition of every phase that the pass did not come to for the first time.
func (s *scope) summarize() {
	if s.serversSeen && len(s.missing) > 0 {
		conditions.False(s.cluster, v1alpha1.ClusterControlPlaneReady, v1alpha1.ReasonProgressing, strings.Join(s.missing, ", "))
	} else if s.answering {
		conditions.True(s.cluster, v1alpha1.ClusterControlPlaneReady, v1alpha1.ReasonReady, "all servers are available and the API answers through the front")
	}
	for i, part := range parts {
		if conditions.Get(s.cluster, part) == nil {
			conditions.False(s.cluster, part, v1alpha1.ReasonWaiting, "waiting for "+parts[max(i-1, 0)])
		}
	}
	conditions.Summarize(s.cluster, v1alpha1.ClusterReady, v1alpha1.ReasonReady, "the cluster is ready", parts...)
	if ready := conditions.Get(s.cluster, v1alpha1.ClusterReady); strings.Contains(ready.Message, "; ") {
		// The first thing that is missing is the one that matters: the others follow from it.
		ready.Message, _, _ = strings.Cut(ready.Message, "; waiting for ")
	}
	s.noteTier()
	if conditions.IsTrue(s.cluster, v1alpha1.ClusterReady) {
		s.cluster.Status.ObservedGeneration = s.cluster.Generation
	}
}
