package cluster

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/etcd"
)

const (
	// selectedNode is where the scheduler notes the host that a volume is to be made on.
	selectedNode = "volume.kubernetes.io/selected-node"
	// etcdClaim is what a StatefulSet calls the claims of its template, with a dash and the member's number behind it.
	etcdClaim = "data-" + etcd.Name
	// etcdVolume is the size that the template says, too.
	etcdVolume = "4Gi"
	// sparePods, spareMemory and spareCPU are what a host must have left: more than a member and what comes with it.
	sparePods, spareMemory, spareCPU = 10, "512Mi", "200m"
)

// volumes asks for a new cluster's volumes of etcd before its members exist, so that they are there when the members are: a
// pod whose volume is to be made waits for a second, which is how often the scheduler looks. Where no host has room, and
// for members that are added later, the scheduler chooses.
func (c *Controller) volumes(ctx context.Context, s *scope) (next, error) {
	err := c.client.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: etcd.Name}, &appsv1.StatefulSet{})
	if err == nil {
		return next{}, nil
	} else if !apierrors.IsNotFound(err) {
		return fail(s, v1alpha1.ClusterEtcdReady, fmt.Errorf("reading etcd: %w", err))
	}
	hosts, err := c.etcdHosts(ctx)
	if err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	for i, host := range etcd.Place(hosts, s.render.Replicas) {
		claim := etcdClaimOf(s, i, host)
		if err := c.client.Create(ctx, claim); err != nil && !apierrors.IsAlreadyExists(err) {
			return fail(s, v1alpha1.ClusterEtcdReady, fmt.Errorf("asking for volume %s: %w", claim.Name, err))
		}
	}
	return next{}, nil
}

func etcdClaimOf(s *scope, ordinal int, host string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.render.Namespace, Name: etcdClaim + "-" + strconv.Itoa(ordinal),
			Labels:      map[string]string{v1alpha1.LabelComponent: etcd.Name},
			Annotations: map[string]string{selectedNode: host},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(etcdVolume)}},
		},
	}
}

// etcdHosts are the hosts that a member may be put on without asking the scheduler.
func (c *Controller) etcdHosts(ctx context.Context) ([]etcd.Host, error) {
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing hosts: %w", err)
	}
	var pods corev1.PodList
	if err := c.client.List(ctx, &pods); err != nil {
		return nil, fmt.Errorf("listing the pods of hosts: %w", err)
	}
	on := map[string][]corev1.Pod{}
	for _, pod := range pods.Items {
		on[pod.Spec.NodeName] = append(on[pod.Spec.NodeName], pod)
	}
	var hosts []etcd.Host
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if takesPods(node) && hasRoom(node.Status.Allocatable, on[node.Name]) {
			hosts = append(hosts, etcd.Host{Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone], Pods: len(on[node.Name])})
		}
	}
	return hosts, nil
}

func takesPods(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue && !node.Spec.Unschedulable
		}
	}
	return false
}

func hasRoom(allocatable corev1.ResourceList, pods []corev1.Pod) bool {
	cpu, memory := resource.MustParse(spareCPU), resource.MustParse(spareMemory)
	for i := range pods {
		for _, list := range [][]corev1.Container{pods[i].Spec.InitContainers, pods[i].Spec.Containers} {
			for _, container := range list {
				cpu.Add(*container.Resources.Requests.Cpu())
				memory.Add(*container.Resources.Requests.Memory())
			}
		}
	}
	return allocatable.Pods().Value() >= int64(len(pods)+sparePods) && allocatable.Cpu().Cmp(cpu) >= 0 && allocatable.Memory().Cmp(memory) >= 0
}
