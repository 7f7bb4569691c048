package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/exec"
)

// cleanTime bounds how long the namespace may take to go, interruptedCleanTime that after Ctrl-C.
const (
	cleanTime            = 90 * time.Second
	interruptedCleanTime = 10 * time.Second
)

// workload makes two pods and a volume in a namespace of its own and uses them.
func (t *tenant) workload(ctx context.Context, s *suite, takes capacity) {
	namespace := namespacePrefix + rand.String(6)
	defer t.clean(ctx, s, namespace)
	checks := []string{checkDNS, checkNetwork, checkService, checkVolume, checkLogs, checkExec}
	var server corev1.Pod
	if !s.check(ctx, checkPods, schedulingTime, func(ctx context.Context) (note string, err error) {
		server, note, err = t.start(ctx, namespace, takes)
		return note, err
	}) {
		s.skip("pods do not run", checks...)
		return
	}
	resolve := func(ctx context.Context) (string, error) {
		output, err := t.exec(ctx, namespace, clientName, "", "nslookup", "-type=a", "kubernetes.default.svc.cluster.local")
		return "", withOutput(err, output)
	}
	wants := func(want string, command ...string) probe {
		return func(ctx context.Context) (string, error) {
			output, err := t.exec(ctx, namespace, clientName, "", command...)
			if err == nil && strings.TrimSpace(output) != want {
				err = fmt.Errorf("the answer is not %q", want)
			}
			return "", withOutput(err, output)
		}
	}
	patient := func(try probe) probe {
		return func(ctx context.Context) (string, error) { return eventually(ctx, try) }
	}
	get := func(host string) probe {
		return wants(page, "timeout", "5", "wget", "-q", "-O", "-", fmt.Sprintf("http://%s:%d/", host, port))
	}
	s.check(ctx, checkDNS, probeTime, patient(resolve))
	s.check(ctx, checkNetwork, probeTime, patient(get(server.Status.PodIP)))
	s.check(ctx, checkService, probeTime, patient(get(serverName)))
	s.check(ctx, checkVolume, probeTime, wants(page, "sh", "-c", "echo "+page+" > "+dataDir+"/file && sync && cat "+dataDir+"/file"))
	s.check(ctx, checkLogs, probeTime, func(ctx context.Context) (string, error) { return t.readLog(ctx, namespace) })
	s.check(ctx, checkExec, probeTime, func(ctx context.Context) (string, error) {
		output, err := t.exec(ctx, namespace, clientName, page, "cat")
		if err == nil && output != page {
			err = errors.New("what was written to its standard input did not come back")
		}
		return "", withOutput(err, output)
	})
}

// start creates everything and waits until both pods are ready.
func (t *tenant) start(ctx context.Context, namespace string, takes capacity) (server corev1.Pod, note string, err error) {
	for _, object := range objects(namespace, t.busybox, takes.nodes > 1) {
		if err := t.client.Create(ctx, object); err != nil {
			return server, "", fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	var other corev1.Pod
	note, err = eventually(ctx, func(ctx context.Context) (string, error) {
		for name, pod := range map[string]*corev1.Pod{serverName: &server, clientName: &other} {
			if err := t.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
				return "", fmt.Errorf("reading pod %s: %w", name, err)
			}
			if !podReady(*pod) {
				return "", fmt.Errorf("pod %s is not ready: %s", name, podTrouble(*pod))
			}
		}
		if server.Spec.NodeName == other.Spec.NodeName {
			return "on one node, " + server.Spec.NodeName + ": across nodes nothing was tried", nil
		}
		return "on " + server.Spec.NodeName + " and " + other.Spec.NodeName, nil
	})
	return server, note, err
}

func (t *tenant) readLog(ctx context.Context, namespace string) (string, error) {
	stream, err := t.clients.CoreV1().Pods(namespace).GetLogs(serverName, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	if err == nil && !strings.Contains(string(text), page) {
		err = errors.New("what the pod printed is not in its log")
	}
	return "", withOutput(err, string(text))
}

// exec runs a command in a pod's only container.
func (t *tenant) exec(ctx context.Context, namespace, pod, stdin string, command ...string) (string, error) {
	return exec.Do(ctx, t.clients, t.config, exec.Command{Namespace: namespace, Pod: pod, Stdin: stdin, Run: command})
}

// withOutput adds what a command printed to the reason why it failed.
func withOutput(err error, output string) error {
	output = strings.Join(strings.Fields(output), " ")
	if err == nil || output == "" {
		return err
	}
	const limit = 160
	if len(output) > limit {
		output = output[:limit] + "…"
	}
	return fmt.Errorf("%w: %s", err, output)
}

// clean deletes the namespace, also after Ctrl-C, and waits until it is gone with its volume.
func (t *tenant) clean(ctx context.Context, s *suite, namespace string) {
	limit := cleanTime
	if ctx.Err() != nil {
		limit = interruptedCleanTime
	}
	ctx = context.WithoutCancel(ctx)
	s.check(ctx, checkClean, limit, func(ctx context.Context) (string, error) {
		object := namespaceObject(namespace)
		if err := t.client.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("deleting namespace %s: %w", namespace, err)
		}
		return eventually(ctx, func(ctx context.Context) (string, error) {
			err := t.client.Get(ctx, client.ObjectKeyFromObject(object), object)
			if err == nil {
				return "", fmt.Errorf("namespace %s is still there: %s", namespace, blockers(object))
			}
			if !apierrors.IsNotFound(err) {
				return "", fmt.Errorf("reading namespace %s: %w", namespace, err)
			}
			return "", t.volumesGone(ctx, namespace)
		})
	})
}

func (t *tenant) volumesGone(ctx context.Context, namespace string) error {
	volumes := &corev1.PersistentVolumeList{}
	if err := t.client.List(ctx, volumes); err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	for _, volume := range volumes.Items {
		if claim := volume.Spec.ClaimRef; claim != nil && claim.Namespace == namespace {
			return fmt.Errorf("volume %s is still there: it is %s", volume.Name, volume.Status.Phase)
		}
	}
	return nil
}

func blockers(namespace *corev1.Namespace) string {
	for _, c := range namespace.Status.Conditions {
		if c.Status == corev1.ConditionTrue && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(namespace.Status.Phase)
}
