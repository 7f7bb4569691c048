package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// platform checks Naru's own parts and the hosting cluster.
func (v *Verifier) platform(ctx context.Context, s *suite) {
	p := v.Platform
	s.check(ctx, "daemon answers", probeTime, func(ctx context.Context) (string, error) {
		said, err := daemon.Ask(ctx, p.State)
		if err != nil {
			return "", err
		}
		for address, problem := range said.Problems {
			return "", fmt.Errorf("port %s: %s", address, problem)
		}
		return fmt.Sprintf("process %d", said.Daemon.PID), nil
	})
	s.check(ctx, "hosting API ready", probeTime, func(ctx context.Context) (string, error) {
		return eventually(ctx, func(ctx context.Context) (string, error) { return readyz(ctx, p.Config) })
	})
	s.check(ctx, "hosts ready", probeTime, func(ctx context.Context) (string, error) { return nodesReady(ctx, p.Client) })
	for _, namespace := range []string{"kube-system", v1alpha1.SystemNamespace} {
		s.check(ctx, "pods of "+namespace+" ready", probeTime, func(ctx context.Context) (string, error) {
			return eventually(ctx, func(ctx context.Context) (string, error) {
				return podsReady(ctx, p.Client, client.InNamespace(namespace))
			})
		})
	}
	s.check(ctx, "registry answers", probeTime, func(ctx context.Context) (string, error) {
		r, err := registry.Open(p.State)
		if err != nil {
			return "", err
		}
		return "", r.Ping(ctx)
	})
	s.check(ctx, "EKS API answers", probeTime, func(ctx context.Context) (string, error) {
		return eventually(ctx, func(ctx context.Context) (string, error) { return serverAnswers(ctx, p.Client) })
	})
	s.check(ctx, "certificates", probeTime, func(ctx context.Context) (string, error) {
		return v.platformCertificates(ctx)
	})
}

// readyz asks an API server whether all of its parts are ready; those that are not are the error.
func readyz(ctx context.Context, config *rest.Config) (string, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("making a client: %w", err)
	}
	// verbose gives the parts that are not ready, in the body of the error.
	answer, err := clients.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "true").DoRaw(ctx)
	if parts := failedParts(answer); err != nil && parts != nil {
		return "", parts
	}
	if err != nil {
		return "", err
	}
	version, err := clients.Discovery().ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking for the version: %w", err)
	}
	return version.GitVersion, nil
}

// failedParts are the lines of /readyz?verbose that begin with [-].
func failedParts(answer []byte) error {
	var parts []string
	for line := range strings.Lines(string(answer)) {
		if part, failed := strings.CutPrefix(line, "[-]"); failed {
			parts = append(parts, strings.TrimSpace(part))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, ", "))
}

// nodesReady wants every node to be ready.
func nodesReady(ctx context.Context, c client.Reader) (string, error) {
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes); err != nil {
		return "", fmt.Errorf("listing nodes: %w", err)
	}
	for _, node := range nodes.Items {
		if ready := condition(node, corev1.NodeReady); ready == nil || ready.Status != corev1.ConditionTrue {
			message := "its kubelet has said nothing yet"
			if ready != nil {
				message = ready.Message
			}
			return "", fmt.Errorf("%s is not ready: %s", node.Name, message)
		}
	}
	return fmt.Sprintf("%d", len(nodes.Items)), nil
}

func condition(node corev1.Node, kind corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == kind {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// podsReady wants every pod that is to run to be ready, and at least one.
func podsReady(ctx context.Context, c client.Reader, options ...client.ListOption) (string, error) {
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, options...); err != nil {
		return "", fmt.Errorf("listing pods: %w", err)
	}
	running := slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool {
		return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || replaced(pod)
	})
	if len(running) == 0 {
		return "", errors.New("there is none")
	}
	for _, pod := range running {
		if !podReady(pod) {
			return "", fmt.Errorf("%s is not ready: %s", pod.Name, podTrouble(pod))
		}
	}
	return fmt.Sprintf("%d", len(running)), nil
}

// replaced tells whether a pod failed and another has its place: what was evicted, or not admitted by its kubelet, lies about
// until it is collected. Should the other not be ready, it is that one that is told.
// See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
func replaced(pod corev1.Pod) bool {
	owner := metav1.GetControllerOf(&pod)
	return pod.Status.Phase == corev1.PodFailed && owner != nil && owner.Kind == "ReplicaSet"
}

func podReady(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// podTrouble is what keeps a pod from being ready, as exactly as its status says.
func podTrouble(pod corev1.Pod) string {
	for _, status := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing" {
			return strings.TrimSpace(waiting.Reason + " " + waiting.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(pod.Status.Phase)
}

func (v *Verifier) platformCertificates(ctx context.Context) (string, error) {
	hosting, err := servedBy(ctx, v.Platform.Config)
	if err != nil {
		return "", err
	}
	// Whether the registry's is trusted is what "registry answers" tries; here only its end counts.
	push, err := served(ctx, fmt.Sprintf("127.0.0.1:%d", layout.PushPort), insecure(layout.RegistryHost))
	if err != nil {
		return "", err
	}
	api, err := served(ctx, fmt.Sprintf("127.0.0.1:%d", layout.ServerPort), insecure("127.0.0.1"))
	if err != nil {
		return "", err
	}
	return soonest(v.Now(), []certificate{{"hosting API", hosting}, {"registry", push}, {"EKS API", api}})
}
