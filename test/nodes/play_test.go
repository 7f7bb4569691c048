package nodes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/node/nodeconfig"
)

// playMachines does what hosts and kubelets would do: node pods are bound and run, their nodes register as the bootstrap
// files say, and pods that were deleted go away.
func (w *world) playMachines(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		var pods corev1.PodList
		if err := w.List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelMachine}); err == nil {
			for i := range pods.Items {
				if err := w.play(ctx, i, &pods.Items[i]); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
					t.Logf("playing machine %s: %v", pods.Items[i].Name, err)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (w *world) play(ctx context.Context, n int, pod *corev1.Pod) error {
	switch {
	case !pod.DeletionTimestamp.IsZero():
		return w.Delete(ctx, pod, client.GracePeriodSeconds(0))
	case pod.Spec.NodeName == "":
		return w.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "host-1"}})
	case pod.Status.PodIP == "":
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP = fmt.Sprintf("127.0.1.%d", n+1)
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "node", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		return w.Status().Update(ctx, pod)
	}
	return w.register(ctx, pod)
}

func (w *world) register(ctx context.Context, pod *corev1.Pod) error {
	var node corev1.Node
	if err := w.Get(ctx, client.ObjectKey{Name: pod.Name}, &node); client.IgnoreNotFound(err) != nil {
		return err
	} else if err == nil {
		return w.report(ctx, &node)
	}
	var secret corev1.Secret
	if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: pod.Name + "-bootstrap"}, &secret); err != nil {
		return err
	}
	if err := w.isNode(ctx, pod.Name, secret.Data["bootstrap.kubeconfig"]); err != nil {
		return err
	}
	var files nodeconfig.Config
	if err := json.Unmarshal(secret.Data["node.json"], &files); err != nil {
		return err
	}
	node = corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: files.Name, Labels: files.Labels},
		Spec:       corev1.NodeSpec{ProviderID: files.ProviderID, Taints: files.Taints},
	}
	return w.Create(ctx, &node)
}

// isNode tells whether a machine was given a certificate that makes it its node in the cluster.
func (w *world) isNode(ctx context.Context, machine string, kubeconfig []byte) error {
	_, _, identity := pki.Identity(kubeconfig)
	own, err := pki.Parse(identity.Certificate)
	if err != nil {
		return err
	}
	var ca corev1.Secret
	if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "ca"}, &ca); err != nil {
		return err
	}
	authority, err := pki.Parse(ca.Data["tls.crt"])
	if err != nil {
		return err
	}
	if own.Subject.String() != "CN=system:node:"+machine+",O=system:nodes" {
		return fmt.Errorf("it would be %s", own.Subject)
	}
	return own.CheckSignatureFrom(authority)
}

// report says that a node is ready, and of what size, as its machine class promises.
func (w *world) report(ctx context.Context, node *corev1.Node) error {
	if len(node.Status.Conditions) > 0 {
		return w.untaint(ctx, node)
	}
	var class v1alpha1.MachineClass
	if err := w.Get(ctx, client.ObjectKey{Name: node.Labels[v1alpha1.LabelMachineClass]}, &class); err != nil {
		return err
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    class.Spec.CPU,
		corev1.ResourceMemory: class.Spec.Memory,
		corev1.ResourcePods:   *resource.NewQuantity(int64(class.Spec.Pods), resource.DecimalSI),
	}
	node.Status.Capacity, node.Status.Allocatable = capacity, capacity
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	return w.Status().Update(ctx, node)
}

// untaint is the controller manager's part: the taint that every node is born with goes when it is ready.
func (w *world) untaint(ctx context.Context, node *corev1.Node) error {
	kept := slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
	if len(kept) == len(node.Spec.Taints) {
		return nil
	}
	node.Spec.Taints = kept
	return w.Update(ctx, node)
}
