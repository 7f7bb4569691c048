package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/platform"
)

// Names of the checks that need pods of one's own in the cluster.
const (
	checkPods    = "pods run"
	checkDNS     = "DNS resolves"
	checkNetwork = "pods reach each other"
	checkService = "a Service answers"
	checkVolume  = "a volume is written and read"
	checkLogs    = "logs"
	checkExec    = "exec"
	checkClean   = "namespace and volume go"
)

// tenant is one cluster that is being checked.
type tenant struct {
	cluster *v1alpha1.Cluster
	config  *rest.Config
	client  client.Client
	clients kubernetes.Interface
	busybox string
}

// cluster checks one cluster.
func (v *Verifier) cluster(ctx context.Context, s *suite, cluster *v1alpha1.Cluster) {
	namespace := client.InNamespace(v1alpha1.Namespace(cluster.Name))
	s.check(ctx, "conditions", probeTime, func(context.Context) (string, error) { return ready(cluster) })
	s.check(ctx, "control plane ready", probeTime, func(ctx context.Context) (string, error) {
		return eventually(ctx, func(ctx context.Context) (string, error) {
			return podsReady(ctx, v.Platform.Client, namespace, client.HasLabels{v1alpha1.LabelComponent})
		})
	})
	var t *tenant
	if !s.check(ctx, "API ready", probeTime, func(ctx context.Context) (note string, err error) {
		if t, err = v.tenant(ctx, cluster); err != nil {
			return "", err
		}
		return eventually(ctx, func(ctx context.Context) (string, error) { return readyz(ctx, t.config) })
	}) {
		s.skip("the API is not ready", "nodes ready", "system pods ready", checkPods)
		return
	}
	s.check(ctx, "certificates", probeTime, func(ctx context.Context) (string, error) { return v.tenantCertificates(ctx, t) })
	s.check(ctx, "nodes ready", probeTime, func(ctx context.Context) (string, error) { return nodesReady(ctx, t.client) })
	takes, err := v.takesPods(ctx, t)
	if err != nil || takes.none() {
		why := "no node takes pods, and no node group may add one"
		if err != nil {
			why = err.Error()
		}
		s.skip(why, "system pods ready", "metrics", checkPods)
		return
	}
	s.check(ctx, "system pods ready", schedulingTime, func(ctx context.Context) (string, error) {
		return eventually(ctx, func(ctx context.Context) (string, error) {
			return podsReady(ctx, t.client, client.InNamespace("kube-system"))
		})
	})
	t.workload(ctx, s, takes)
	s.check(ctx, "metrics", schedulingTime, func(ctx context.Context) (string, error) { return eventually(ctx, t.metrics) })
}

func ready(cluster *v1alpha1.Cluster) (string, error) {
	condition := conditions.Get(cluster, v1alpha1.ClusterReady)
	switch {
	case condition == nil:
		return "", errors.New("the cluster has none yet")
	case !conditions.IsTrue(cluster, v1alpha1.ClusterReady):
		return "", errors.New(condition.Message)
	}
	return "", nil
}

func (v *Verifier) tenant(ctx context.Context, cluster *v1alpha1.Cluster) (*tenant, error) {
	config, err := v.Platform.TenantConfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	c, err := platform.NewClient(config)
	if err != nil {
		return nil, err
	}
	// Streams of exec and logs last longer than a request.
	streaming := rest.CopyConfig(config)
	streaming.Timeout = 0
	clients, err := kubernetes.NewForConfig(streaming)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	release := &v1alpha1.Release{}
	if err := v.Platform.Client.Get(ctx, client.ObjectKey{Name: cluster.Spec.Version}, release); err != nil {
		return nil, fmt.Errorf("reading release %s: %w", cluster.Spec.Version, err)
	}
	busybox := release.Spec.Images["busybox"]
	if busybox == "" {
		return nil, fmt.Errorf("release %s names no busybox image", release.Name)
	}
	return &tenant{cluster: cluster, config: streaming, client: c, clients: clients, busybox: busybox}, nil
}

func (v *Verifier) tenantCertificates(ctx context.Context, t *tenant) (string, error) {
	certificates, err := v.stored(ctx, t.cluster.Name)
	if err != nil {
		return "", err
	}
	leaf, err := servedBy(ctx, t.config)
	if err != nil {
		return "", err
	}
	return soonest(v.Now(), append(certificates, certificate{"API", leaf}))
}

// capacity is where pods of one's own can go.
type capacity struct {
	nodes int  // ready, schedulable and without taints that keep pods away
	grows bool // a node group adds nodes for pending pods
}

func (c capacity) none() bool { return c.nodes == 0 && !c.grows }

func (v *Verifier) takesPods(ctx context.Context, t *tenant) (capacity, error) {
	nodes := &corev1.NodeList{}
	if err := t.client.List(ctx, nodes); err != nil {
		return capacity{}, fmt.Errorf("listing nodes: %w", err)
	}
	var c capacity
	for _, node := range nodes.Items {
		ready := condition(node, corev1.NodeReady)
		if ready != nil && ready.Status == corev1.ConditionTrue && !node.Spec.Unschedulable && !repels(node.Spec.Taints) {
			c.nodes++
		}
	}
	groups := &v1alpha1.NodeGroupList{}
	if err := v.Platform.Client.List(ctx, groups, client.InNamespace(v1alpha1.Namespace(t.cluster.Name))); err != nil {
		return capacity{}, fmt.Errorf("listing node groups: %w", err)
	}
	for _, group := range groups.Items {
		size, fixed := group.Spec.Scaling.FixedSize()
		c.grows = c.grows || !repels(group.Spec.Taints) && (!fixed || size > 0)
	}
	return c, nil
}

func repels(taints []corev1.Taint) bool {
	return slices.ContainsFunc(taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule })
}

// metrics asks the metrics API, which is aggregated: the answer comes through konnectivity.
func (t *tenant) metrics(ctx context.Context) (string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "metrics.k8s.io", Version: "v1beta1", Kind: "NodeMetricsList"})
	if err := t.client.List(ctx, list); err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "", errors.New("no node has metrics yet")
	}
	return fmt.Sprintf("of %d nodes", len(list.Items)), nil
}
