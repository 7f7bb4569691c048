package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/front/endpoint"
	"naru.dev/naru/internal/kube/conditions"
)

// endpoint makes the namespace and the front's Service: the cluster's address and its port on 127.0.0.1.
func (c *Controller) endpoint(ctx context.Context, s *scope) (next, error) {
	if s.cluster.Status.Endpoint.Port == 0 {
		if err := c.choosePort(ctx, s.cluster); err != nil {
			return fail(s, v1alpha1.ClusterEndpointReady, err)
		}
	}
	s.render.Port = s.cluster.Status.Endpoint.Port
	namespace, err := namespaceOf(s)
	if err != nil {
		return fail(s, v1alpha1.ClusterEndpointReady, err)
	}
	service, err := c.renderer.Render(endpoint.New(), s.render)
	if err != nil {
		return fail(s, v1alpha1.ClusterEndpointReady, err)
	}
	if _, err := c.keeper.Objects(ctx, append([]*unstructured.Unstructured{namespace}, service...)...); err != nil {
		return fail(s, v1alpha1.ClusterEndpointReady, err)
	}
	if err := c.readAddress(ctx, s); err != nil {
		return fail(s, v1alpha1.ClusterEndpointReady, err)
	}
	open, err := c.openAsWanted(ctx, s)
	if err != nil {
		return fail(s, v1alpha1.ClusterEndpointReady, err)
	}
	if !open {
		conditions.False(s.cluster, v1alpha1.ClusterEndpointReady, v1alpha1.ReasonProgressing, "from where users reach the API is about to change")
		return next{after: askAgain}, nil
	}
	conditions.True(s.cluster, v1alpha1.ClusterEndpointReady, v1alpha1.ReasonReady,
		"the API is at https://127.0.0.1:"+strconv.Itoa(int(s.render.Port)))
	return next{}, nil
}

// publishFrom is from where users reach the API. Nodes and Naru are not asked: they reach the front inside.
func publishFrom(access v1alpha1.EndpointAccess) string {
	if access.Public == v1alpha1.EndpointClosed {
		return v1alpha1.PublishFromNowhere
	}
	return strings.Join(access.PublicCIDRs, ",")
}

// openAsWanted tells whether who publishes the front has said that it lets in those who are to come, and no others. One that nobody
// ever limited has said nothing.
func (c *Controller) openAsWanted(ctx context.Context, s *scope) (bool, error) {
	service := &corev1.Service{}
	key := client.ObjectKey{Namespace: s.render.Namespace, Name: endpoint.Name}
	if err := c.client.Get(ctx, key, service); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading who reaches the front: %w", err)
	}
	if _, limited := service.Annotations[v1alpha1.AnnotationPublishedFrom]; s.render.PublishFrom == "" && !limited {
		return true, nil
	}
	// The cache may not have seen what this pass wrote.
	if err := c.live.Get(ctx, key, service); err != nil {
		return false, fmt.Errorf("reading who reaches the front: %w", err)
	}
	return service.Annotations[v1alpha1.AnnotationPublishFrom] == s.render.PublishFrom &&
		service.Annotations[v1alpha1.AnnotationPublishedFrom] == s.render.PublishFrom, nil
}

func namespaceOf(s *scope) (*unstructured.Unstructured, error) {
	namespace := &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: s.render.Namespace, Labels: map[string]string{
			v1alpha1.LabelCluster: s.cluster.Name,
			// Node pods are machines: what they may reach is NetworkPolicy's to say.
			"pod-security.kubernetes.io/enforce": "privileged",
		}},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(namespace)
	if err != nil {
		return nil, fmt.Errorf("describing the namespace: %w", err)
	}
	delete(content, "status")
	delete(content, "spec")
	return &unstructured.Unstructured{Object: content}, nil
}

// readAddress learns the front's address. It never changes, so it is read once past the cache, and from then
// on taken from the status.
func (c *Controller) readAddress(ctx context.Context, s *scope) error {
	if s.cluster.Status.Endpoint.Address == "" {
		service := &corev1.Service{}
		if err := c.live.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: endpoint.Name}, service); err != nil {
			return fmt.Errorf("reading the front's address: %w", err)
		}
		s.cluster.Status.Endpoint.Address = service.Spec.ClusterIP
	}
	s.render.FrontAddress = s.cluster.Status.Endpoint.Address
	return nil
}

// choosePort takes the lowest port that no other cluster has, and writes it to the status before another
// cluster may choose.
func (c *Controller) choosePort(ctx context.Context, cluster *v1alpha1.Cluster) error {
	c.ports.Lock()
	defer c.ports.Unlock()
	clusters := &v1alpha1.ClusterList{}
	if err := c.live.List(ctx, clusters); err != nil {
		return fmt.Errorf("listing the ports of clusters: %w", err)
	}
	port, own := freePort(clusters.Items, cluster.Name, c.settings.FirstPort)
	if own {
		cluster.Status.Endpoint.Port = port
		return nil
	}
	stored := cluster.DeepCopy()
	cluster.Status.Endpoint.Port = port
	if err := c.client.Status().Patch(ctx, cluster, client.MergeFrom(stored)); err != nil {
		return fmt.Errorf("writing the port: %w", err)
	}
	return nil
}

// freePort returns the port that a cluster has already (own), or the lowest free one.
func freePort(clusters []v1alpha1.Cluster, name string, first int32) (port int32, own bool) {
	taken := map[int32]bool{}
	for i := range clusters {
		has := clusters[i].Status.Endpoint.Port
		if clusters[i].Name == name && has != 0 {
			return has, true
		}
		taken[has] = true
	}
	for port = first; taken[port]; port++ {
	}
	return port, false
}
