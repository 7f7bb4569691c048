package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// sources are the watched objects, reduced by trim.
type sources struct {
	factory    informers.SharedInformerFactory
	nodes      corelisters.NodeLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
	// nodesSynced and allSynced say that the first lists are complete.
	nodesSynced, allSynced []cache.InformerSynced
}

// newSources triggers network and policy after changes that matter to them.
func newSources(factory informers.SharedInformerFactory, network, policy func()) (sources, error) {
	core := factory.Core().V1()
	policies := factory.Networking().V1().NetworkPolicies()
	s := sources{
		factory: factory, nodes: core.Nodes().Lister(), pods: core.Pods().Lister(),
		namespaces: core.Namespaces().Lister(), policies: policies.Lister(),
		nodesSynced: []cache.InformerSynced{core.Nodes().Informer().HasSynced},
		allSynced: []cache.InformerSynced{
			core.Pods().Informer().HasSynced, core.Namespaces().Informer().HasSynced, policies.Informer().HasSynced,
		},
	}
	for _, watch := range []struct {
		informer cache.SharedIndexInformer
		trigger  func()
	}{
		{core.Nodes().Informer(), network},
		{core.Pods().Informer(), policy},
		{core.Namespaces().Informer(), policy},
		{policies.Informer(), policy},
	} {
		if _, err := watch.informer.AddEventHandler(onChange(watch.trigger)); err != nil {
			return sources{}, fmt.Errorf("adding an event handler: %w", err)
		}
	}
	return s, nil
}

func (s sources) start(ctx context.Context) { s.factory.Start(ctx.Done()) }

// stop waits for the informers; their context must have ended.
func (s sources) stop() { s.factory.Shutdown() }

var errNotSynced = errors.New("the API server's objects are not listed yet") //nolint:gochecknoglobals // sentinel

func await(ctx context.Context, synced []cache.InformerSynced) error {
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return errNotSynced
	}
	return nil
}

// onChange ignores updates that leave the trimmed object as it was: heartbeats
// of nodes, conditions of pods.
func onChange(trigger func()) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { trigger() },
		DeleteFunc: func(any) { trigger() },
		UpdateFunc: func(before, after any) {
			if !equality.Semantic.DeepEqual(unversioned(before), unversioned(after)) {
				trigger()
			}
		},
	}
}

func unversioned(o any) any {
	switch o := o.(type) {
	case *corev1.Pod:
		o = o.DeepCopy()
		o.ResourceVersion = ""
		return o
	case *corev1.Node:
		o = o.DeepCopy()
		o.ResourceVersion = ""
		return o
	case *corev1.Namespace:
		o = o.DeepCopy()
		o.ResourceVersion = ""
		return o
	default:
		return o
	}
}

// trim keeps of an object what the agent reads: it holds every pod of the
// cluster on every node.
func trim(o any) (any, error) {
	switch o := o.(type) {
	case *corev1.Pod:
		return trimPod(o), nil
	case *corev1.Node:
		return &corev1.Node{
			ObjectMeta: trimMeta(o.ObjectMeta),
			Spec:       corev1.NodeSpec{PodCIDR: o.Spec.PodCIDR, PodCIDRs: o.Spec.PodCIDRs},
			Status:     corev1.NodeStatus{Addresses: o.Status.Addresses},
		}, nil
	case *corev1.Namespace:
		return &corev1.Namespace{ObjectMeta: trimMeta(o.ObjectMeta)}, nil
	default:
		return o, nil
	}
}

func trimMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
		Labels: m.Labels, CreationTimestamp: m.CreationTimestamp,
	}
}

func trimPod(p *corev1.Pod) *corev1.Pod {
	ports := func(containers []corev1.Container) []corev1.Container {
		var out []corev1.Container
		for _, c := range containers {
			if len(c.Ports) > 0 {
				out = append(out, corev1.Container{Ports: slices.Clone(c.Ports), RestartPolicy: c.RestartPolicy})
			}
		}
		return out
	}
	return &corev1.Pod{
		ObjectMeta: trimMeta(p.ObjectMeta),
		Spec: corev1.PodSpec{
			NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork,
			Containers: ports(p.Spec.Containers), InitContainers: ports(p.Spec.InitContainers),
		},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs},
	}
}
