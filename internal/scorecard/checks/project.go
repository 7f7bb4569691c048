package checks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

// podTime bounds how long a pod may take to be ready: images are pulled the first time.
const podTime = 75 * time.Second

// project is a namespace of one check, with what checks do in it.
type project struct {
	*Cluster
	namespace string
	log       *scorecard.Log
	// leave takes the namespace away.
	leave func()
}

// create makes an application and waits until it is rolled out.
func (p *project) create(ctx context.Context, deployment *appsv1.Deployment) error {
	if _, err := p.Kube.AppsV1().Deployments(p.namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating deployment %s: %w", deployment.Name, err)
	}
	image := deployment.Spec.Template.Spec.Containers[0].Image
	p.log.Add(fmt.Sprintf("create deployment %s/%s --image=%s --replicas=%d", p.namespace, deployment.Name, image, *deployment.Spec.Replicas), "")
	return p.rolledOut(ctx, deployment.Name, podTime)
}

// change reads a deployment, edits and updates it.
func (p *project) change(ctx context.Context, name, what string, edit func(*appsv1.Deployment)) error {
	deployments := p.Kube.AppsV1().Deployments(p.namespace)
	err := await(ctx, "the change of deployment "+name, 10*time.Second, func(ctx context.Context) error {
		deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		edit(deployment)
		_, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{}) // a conflict is tried again
		return err
	})
	p.log.Add(fmt.Sprintf("%s of deployment %s/%s", what, p.namespace, name), outcome(err))
	return err
}

func (p *project) scale(ctx context.Context, name string, replicas int32) error {
	return p.change(ctx, name, fmt.Sprintf("scale to %d", replicas), func(d *appsv1.Deployment) { d.Spec.Replicas = &replicas })
}

// setMarker gives the application another version.
func (p *project) setMarker(ctx context.Context, name, marker string) error {
	return p.change(ctx, name, "roll out version "+marker, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: markerVariable, Value: marker}}
	})
}

// rolledOut waits until all pods of a deployment are of its present template and ready, and no others are left.
func (p *project) rolledOut(ctx context.Context, name string, limit time.Duration) error {
	began := time.Now()
	err := await(ctx, "deployment "+name, limit, func(ctx context.Context) error {
		d, err := p.Kube.AppsV1().Deployments(p.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s, want := d.Status, *d.Spec.Replicas
		if s.ObservedGeneration < d.Generation || s.UpdatedReplicas != want || s.Replicas != want || s.ReadyReplicas != want {
			return fmt.Errorf("%d pods are wanted; there are %d, %d of the present version, %d ready: %s", want, s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, p.trouble(ctx, name))
		}
		return nil
	})
	p.log.Add("rollout status deployment/"+name, outcome(err, "done after "+seconds(time.Since(began))))
	return err
}

// trouble is what keeps the pods of an application from being ready.
func (p *project) trouble(ctx context.Context, name string) string {
	pods, err := p.pods(ctx, name)
	if err != nil {
		return err.Error()
	}
	for _, pod := range pods {
		if !ready(pod) {
			return pod.Name + ": " + podTrouble(pod)
		}
	}
	return "no pod says why"
}

// pods are those of an application that are not being deleted.
func (p *project) pods(ctx context.Context, name string) ([]corev1.Pod, error) {
	list, err := p.Kube.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: appLabel + "=" + name})
	if err != nil {
		return nil, fmt.Errorf("listing pods of %s: %w", name, err)
	}
	return slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil }), nil
}

// expose gives an application a Service of its name.
func (p *project) expose(ctx context.Context, name string) error {
	_, err := p.Kube.CoreV1().Services(p.namespace).Create(ctx, service(p.namespace, name, labels(name)), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating service %s: %w", name, err)
	}
	return nil
}

// start makes pods and waits until they are ready.
func (p *project) start(ctx context.Context, pods ...*corev1.Pod) error {
	for _, pod := range pods {
		if _, err := p.Kube.CoreV1().Pods(p.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating pod %s: %w", pod.Name, err)
		}
	}
	for _, pod := range pods {
		found, err := p.awaitPod(ctx, pod.Name)
		if err != nil {
			return err
		}
		found.DeepCopyInto(pod)
		p.log.Add("pod "+p.namespace+"/"+pod.Name+", image "+pod.Spec.Containers[0].Image, "ready on "+pod.Spec.NodeName+" as "+pod.Status.PodIP)
	}
	return nil
}

func (p *project) awaitPod(ctx context.Context, name string) (*corev1.Pod, error) {
	var found *corev1.Pod
	err := await(ctx, "pod "+name, podTime, func(ctx context.Context) error {
		pod, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !ready(*pod) {
			return errors.New(podTrouble(*pod))
		}
		found = pod
		return nil
	})
	return found, err
}

// client starts a pod with a shell.
func (p *project) client(ctx context.Context, name string) error {
	return p.start(ctx, p.shellPod(name, sleeper))
}

// sh runs a script in a pod with a shell.
func (p *project) sh(ctx context.Context, pod, script string) (string, error) {
	return p.Exec(ctx, Command{Namespace: p.namespace, Pod: pod, Run: []string{"sh", "-c", script}})
}

// ask makes one HTTP request from a pod.
func (p *project) ask(ctx context.Context, from, url string) (string, error) {
	output, err := p.sh(ctx, from, "timeout 3 wget -qO- "+url)
	output = strings.TrimSpace(output)
	if err != nil {
		return output, fmt.Errorf("%s asked %s: %w: %s", from, url, err, output)
	}
	return output, nil
}

// answers waits until url is answered with something that accept takes, and writes it down.
func (p *project) answers(ctx context.Context, from, url string, accept func(string) bool) error {
	var got string
	err := await(ctx, "an answer of "+url, 30*time.Second, func(ctx context.Context) (err error) {
		if got, err = p.ask(ctx, from, url); err != nil {
			return err
		}
		if !accept(got) {
			return fmt.Errorf("it answers %q", got)
		}
		return nil
	})
	p.log.Add("exec "+from+" -- wget -qO- "+url, outcome(err, got))
	return err
}

// silent waits until url is not answered any more: by silence, not by refusal to run the command.
func (p *project) silent(ctx context.Context, from, url string) error {
	err := await(ctx, url+" to be out of reach of "+from, 30*time.Second, func(ctx context.Context) error {
		// The program itself must work: 1 is a refusal, 143 the end of its time. One that crashes proves nothing.
		got, err := p.sh(ctx, from, "timeout 3 wget -qO- "+url+" >/dev/null 2>&1; echo exit $?")
		if err != nil {
			return err
		}
		if got = strings.TrimSpace(got); got != "exit 1" && got != "exit 143" {
			return fmt.Errorf("wget says %q", got)
		}
		return nil
	})
	p.log.Add("exec "+from+" -- wget "+url, outcome(err, "no way through"))
	return err
}

// reply is an answer of examples/hello.
type reply struct{ Pod, Marker string }

var replyForm = regexp.MustCompile(`^Hello from (\S+), version \S+, on node (\S*)$`)

func parseReply(line string) (reply, bool) {
	m := replyForm.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return reply{}, false
	}
	return reply{m[1], m[2]}, true
}

// marked accepts answers of a version.
func marked(marker string) func(string) bool {
	return func(answer string) bool {
		r, ok := parseReply(answer)
		return ok && r.Marker == marker
	}
}

// poll makes n requests from the pod "client", one after the other, and returns the replies and how many failed.
func (p *project) poll(ctx context.Context, url string, n int) (replies []reply, failed int, err error) {
	output, err := p.sh(ctx, "client", fmt.Sprintf("for i in $(seq %d); do timeout 3 wget -qO- %s 2>/dev/null || echo FAILED; done", n, url))
	if err != nil {
		return nil, 0, fmt.Errorf("asking %s %d times: %w", url, n, err)
	}
	for line := range strings.Lines(output) {
		if r, ok := parseReply(line); ok {
			replies = append(replies, r)
		}
	}
	p.log.Add(fmt.Sprintf("exec client -- %d × wget -qO- %s", n, url), tally(replies, n-len(replies)))
	return replies, n - len(replies), nil
}

// tally counts replies by pod and marker.
func tally(replies []reply, failed int) string {
	counts := map[reply]int{}
	for _, r := range replies {
		counts[r]++
	}
	var parts []string
	for r, n := range counts {
		parts = append(parts, fmt.Sprintf("%s (%s): %d", r.Pod, r.Marker, n))
	}
	slices.Sort(parts)
	return strings.Join(append(parts, fmt.Sprintf("failed: %d", failed)), ", ")
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// podTrouble is what keeps a pod from being ready, as exactly as its status says.
func podTrouble(pod corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := status.State.Waiting; w != nil && w.Reason != "" {
			return strings.TrimSpace(w.Reason + " " + w.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(pod.Status.Phase)
}

// outcome is an error, or else what was seen.
func outcome(err error, saw ...string) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return strings.Join(saw, " ")
}
