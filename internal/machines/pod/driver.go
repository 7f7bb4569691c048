// Package pod is the machine driver that makes each machine a privileged pod of the hosting cluster,
// with a node's operating system, containerd and kubelet in it, and `naru node` as its PID 1.
package pod

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/machines"
)

// component is the value of naru.dev/component on node pods.
const component = "node"

// Driver implements machines.Driver.
type Driver struct {
	// hosting reads pods, Secrets and nodes, cached or not, and writes the first two.
	hosting client.Client
	clock   clock.PassiveClock
}

var _ machines.Driver = (*Driver)(nil)

// New returns a driver on the hosting cluster.
func New(hosting client.Client, clock clock.PassiveClock) *Driver {
	return &Driver{hosting: hosting, clock: clock}
}

// Create writes the Secret and makes the pod. The host of a pod that is there is told when the Secret has changed.
func (d *Driver) Create(ctx context.Context, blueprint machines.Blueprint) error {
	secret, pod := Render(blueprint)
	if err := d.writeSecret(ctx, secret); err != nil {
		return err
	}
	there := &corev1.Pod{}
	err := d.hosting.Get(ctx, client.ObjectKeyFromObject(pod), there)
	if err == nil {
		return d.tell(ctx, there, pod.Annotations[filesAnnotation])
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading node pod: %w", err)
	}
	if err := d.hosting.Create(ctx, pod); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating node pod: %w", err)
	}
	return nil
}

// tell annotates a pod with the hash of its Secret's content.
func (d *Driver) tell(ctx context.Context, pod *corev1.Pod, hash string) error {
	if pod.Annotations[filesAnnotation] == hash {
		return nil
	}
	before := pod.DeepCopy()
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[filesAnnotation] = hash
	if err := d.hosting.Patch(ctx, pod, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("annotating node pod: %w", err)
	}
	return nil
}

func (d *Driver) writeSecret(ctx context.Context, wanted *corev1.Secret) error {
	var secret corev1.Secret
	err := d.hosting.Get(ctx, client.ObjectKeyFromObject(wanted), &secret)
	if err == nil && maps.EqualFunc(secret.Data, wanted.Data, func(a, b []byte) bool { return string(a) == string(b) }) {
		return nil
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading bootstrap secret: %w", err)
	}
	if err := apply.Typed(ctx, d.hosting, wanted); err != nil {
		return fmt.Errorf("writing bootstrap secret: %w", err)
	}
	return nil
}

// Get observes the pod.
func (d *Driver) Get(ctx context.Context, key machines.Key) (machines.Observation, error) {
	pod, err := d.pod(ctx, key)
	if err != nil {
		return machines.Observation{}, err
	}
	zone := ""
	if pod.Spec.NodeName != "" {
		host, err := d.host(ctx, pod.Spec.NodeName)
		if err != nil {
			return machines.Observation{}, err
		}
		zone = host.Labels[corev1.LabelTopologyZone]
	}
	return observe(pod, zone), nil
}

// Delete ends the pod, then deletes the Secret. A pod whose host is gone is let go of without the host's word
// once its grace period has passed: nobody would ever confirm its end.
func (d *Driver) Delete(ctx context.Context, key machines.Key) error {
	pod, err := d.pod(ctx, key)
	if machines.IsNotFound(err) {
		return d.deleteSecret(ctx, key)
	} else if err != nil {
		return err
	}
	if pod.DeletionTimestamp.IsZero() {
		return d.deletePod(ctx, pod)
	}
	// The deletion timestamp of a pod already includes its grace period.
	if d.clock.Now().Before(pod.DeletionTimestamp.Time) {
		return nil
	}
	host, err := d.host(ctx, pod.Spec.NodeName)
	if err != nil || ready(host) {
		return err
	}
	return d.deletePod(ctx, pod, client.GracePeriodSeconds(0))
}

func (d *Driver) deletePod(ctx context.Context, pod *corev1.Pod, options ...client.DeleteOption) error {
	options = append(options, client.Preconditions{UID: &pod.UID})
	if err := d.hosting.Delete(ctx, pod, options...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting node pod: %w", err)
	}
	return nil
}

func (d *Driver) deleteSecret(ctx context.Context, key machines.Key) error {
	var secret corev1.Secret
	secret.Namespace, secret.Name = v1alpha1.Namespace(key.Cluster), secretName(key.Name)
	if err := d.hosting.Delete(ctx, &secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting bootstrap secret: %w", err)
	}
	return &machines.NotFoundError{Key: key}
}

func (d *Driver) pod(ctx context.Context, key machines.Key) (*corev1.Pod, error) {
	var pod corev1.Pod
	err := d.hosting.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(key.Cluster), Name: key.Name}, &pod)
	if apierrors.IsNotFound(err) {
		return nil, &machines.NotFoundError{Key: key}
	} else if err != nil {
		return nil, fmt.Errorf("reading node pod: %w", err)
	}
	return &pod, nil
}

// host returns a hosting node, or an empty one where it does not exist any more.
func (d *Driver) host(ctx context.Context, name string) (*corev1.Node, error) {
	var host corev1.Node
	if err := d.hosting.Get(ctx, client.ObjectKey{Name: name}, &host); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading host %s: %w", name, err)
	}
	return &host, nil
}

func ready(host *corev1.Node) bool {
	for _, condition := range host.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// observe says what a pod in this state means for the machine. It is pure.
func observe(pod *corev1.Pod, zone string) machines.Observation {
	seen := machines.Observation{Phase: machines.Pending, Address: pod.Status.PodIP, Host: pod.Spec.NodeName, Zone: zone}
	switch {
	case !pod.DeletionTimestamp.IsZero():
		seen.Phase, seen.Message = machines.Lost, "its pod was deleted at "+pod.DeletionTimestamp.UTC().Format(time.RFC3339)
	case pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		seen.Phase, seen.Message = machines.Lost, "its pod has ended: "+reason(pod.Status.Reason, pod.Status.Message)
	case running(pod) && pod.Status.PodIP != "":
		seen.Phase = machines.Running
	default:
		seen.Message = waitsFor(pod)
	}
	return seen
}

func running(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container {
			return status.State.Running != nil
		}
	}
	return false
}

// waitsFor names what keeps a pod from running: the scheduler's reason, or the container's.
func waitsFor(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "its pod finds no host: " + reason(condition.Reason, condition.Message)
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		switch {
		case status.State.Waiting != nil:
			return "its container waits: " + reason(status.State.Waiting.Reason, status.State.Waiting.Message)
		case status.State.Terminated != nil:
			return "its container has ended and is started again: " + reason(status.State.Terminated.Reason, status.State.Terminated.Message)
		}
	}
	return "its pod is starting"
}

func reason(word, message string) string {
	switch {
	case message == "":
		return word
	case word == "":
		return message
	}
	return word + ": " + message
}
