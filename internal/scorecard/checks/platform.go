package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/scorecard"
)

// Platform is Naru's own side: its command line and the hosting cluster.
type Platform struct {
	// Naru runs naru's command line.
	Naru Naru
	// Hosting is the hosting cluster.
	Hosting *Cluster
	// Connect connects to a managed cluster, as its administrator.
	Connect func(ctx context.Context, name string) (*Cluster, error)
	// Login connects to a cluster with a kubeconfig that was printed.
	Login func(kubeconfig string) (*Cluster, error)
	// Image writes an image that holds version in the file /version as a folder with an OCI layout, and returns its path.
	Image func(ctx context.Context, version string) (path string, err error)

	// Accounts are those of the platform's operators.
	Accounts Accounts

	// Made is the command that has made the shared cluster; empty where it was there before.
	Made Ran

	mu       sync.Mutex
	clusters []string
	images   []string
}

// Ran is a command that has ended.
type Ran struct {
	Command, Stdout, Stderr string
	Code                    int
	Took                    time.Duration
}

func (r Ran) String() string {
	return fmt.Sprintf("exit code %d after %s %s", r.Code, seconds(r.Took), strings.TrimSpace(r.Stdout+"\n"+r.Stderr))
}

// Naru runs naru. An exit code other than 0 is an error, too; what was printed comes with it.
type Naru func(ctx context.Context, stdin string, args ...string) (Ran, error)

// Program runs a naru binary, whose progress goes line by line. What environment says, as KEY=value, goes before what
// the process has.
func Program(binary string, environment ...string) Naru {
	return func(ctx context.Context, stdin string, args ...string) (Ran, error) {
		command := exec.CommandContext(ctx, binary, args...)
		command.Stdin, command.Env = strings.NewReader(stdin), append(os.Environ(), environment...)
		command.WaitDelay = 5 * time.Second
		var stdout, stderr bytes.Buffer
		command.Stdout, command.Stderr = &stdout, &stderr
		began := time.Now()
		err := command.Run()
		ran := Ran{
			Command: "naru " + strings.Join(args, " "), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(began),
		}
		if command.ProcessState != nil {
			ran.Code = command.ProcessState.ExitCode()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", ran.Command, err, lastLines(ran.Stderr, 6))
		}
		return ran, err
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// naru runs the command line and writes it down.
func (p *Platform) naru(ctx context.Context, log *scorecard.Log, args ...string) (Ran, error) {
	return p.pipe(ctx, log, "", args...)
}

func (p *Platform) pipe(ctx context.Context, log *scorecard.Log, stdin string, args ...string) (Ran, error) {
	ran, err := p.Naru(ctx, stdin, args...)
	log.Add("naru "+strings.Join(args, " "), ran.String())
	return ran, err
}

// clusterPrefix begins the names of the evaluation's own clusters.
const clusterPrefix = "eval-"

// name returns the name of a new cluster, and remembers that it has to go.
func (p *Platform) name(keeper Keeper) (string, error) {
	name := clusterPrefix + rand.String(5)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clusters = append(p.clusters, name)
	return name, keeper.Leave(scorecard.Leftover{Kind: scorecard.LeftCluster, Name: name})
}

func (p *Platform) removeClusters(ctx context.Context, keeper Keeper) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	failures := make([]error, len(p.clusters))
	var all sync.WaitGroup
	for i, name := range p.clusters {
		all.Go(func() { failures[i] = p.remove(ctx, name, keeper) })
	}
	all.Wait()
	return errors.Join(failures...)
}

// remove deletes a cluster of the evaluation's own and waits until it is gone.
func (p *Platform) remove(ctx context.Context, name string, keeper Keeper) error {
	if !strings.HasPrefix(name, clusterPrefix) {
		return fmt.Errorf("cluster %q is not the evaluation's own: it is not deleted", name)
	}
	listed, err := p.Naru(ctx, "", "get", "clusters", "-o", "name")
	if err != nil {
		return err
	}
	if there(listed.Stdout, name) {
		if _, err := p.Naru(ctx, "", "delete", "cluster", name, "--yes", "--wait", "--timeout", "5m"); err != nil {
			return err
		}
	}
	return keeper.Cleared(scorecard.Leftover{Kind: scorecard.LeftCluster, Name: name})
}

// noteImage remembers that an image is about to be pushed, and has to go.
func (p *Platform) noteImage(name string, keeper Keeper) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images = append(p.images, name)
	return keeper.Leave(scorecard.Leftover{Kind: scorecard.LeftImage, Name: name})
}

func (p *Platform) removeImages(ctx context.Context, keeper Keeper) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failures []error
	for _, name := range p.images {
		failures = append(failures, p.removeImage(ctx, name, keeper))
	}
	return errors.Join(failures...)
}

// removeImage deletes an image of the evaluation's own from the registry, if it is there.
func (p *Platform) removeImage(ctx context.Context, name string, keeper Keeper) error {
	if !strings.HasPrefix(name, repository+":") {
		return fmt.Errorf("image %q is not the evaluation's own: it is not deleted", name)
	}
	listed, err := p.Naru(ctx, "", "image", "list", "-o", "name")
	if err != nil {
		return err
	}
	if there(listed.Stdout, name) {
		if _, err := p.Naru(ctx, "", "image", "delete", name); err != nil {
			return err
		}
	}
	return keeper.Cleared(scorecard.Leftover{Kind: scorecard.LeftImage, Name: name})
}

// there tells whether a list of names, as KIND/NAME or HOST/NAME in lines, has a name.
func there(listed, name string) bool {
	for line := range strings.Lines(listed) {
		if strings.HasSuffix(strings.TrimSpace(line), "/"+name) {
			return true
		}
	}
	return false
}

// parts are the pods of a component of a cluster, in the hosting cluster, that are not being deleted.
func (p *Platform) parts(ctx context.Context, cluster, component string) ([]corev1.Pod, error) {
	list, err := p.Hosting.Kube.CoreV1().Pods(v1alpha1.Namespace(cluster)).List(ctx, metav1.ListOptions{
		LabelSelector: v1alpha1.LabelComponent + "=" + component,
	})
	if err != nil {
		return nil, fmt.Errorf("listing pods of %s of %s: %w", component, cluster, err)
	}
	var there []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			there = append(there, pod)
		}
	}
	return there, nil
}

// readyParts counts those that are ready.
func (p *Platform) readyParts(ctx context.Context, cluster, component string) (int, error) {
	pods, err := p.parts(ctx, cluster, component)
	n := 0
	for _, pod := range pods {
		if ready(pod) {
			n++
		}
	}
	return n, err
}

// kill takes a pod of the hosting cluster away without giving it time, and waits until it is gone.
func (p *Platform) kill(ctx context.Context, log *scorecard.Log, pod corev1.Pod) error {
	pods := p.Hosting.Kube.CoreV1().Pods(pod.Namespace)
	now := int64(0)
	err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	log.Add("delete pod "+pod.Namespace+"/"+pod.Name+" --grace-period=0 (hosting cluster)", outcome(err, "killed"))
	if err != nil {
		return fmt.Errorf("killing %s: %w", pod.Name, err)
	}
	return nil
}

// onMachine runs a script on a machine, as its root.
func (p *Platform) onMachine(ctx context.Context, log *scorecard.Log, cluster, machine, script string) (string, error) {
	output, err := p.Hosting.Exec(ctx, Command{Namespace: v1alpha1.Namespace(cluster), Pod: machine, Run: []string{"sh", "-c", script}})
	log.Add("exec "+machine+" (hosting cluster) -- "+script, outcome(err, strings.TrimSpace(output)))
	return strings.TrimSpace(output), err
}

// readyNodes are the names of the nodes that are Ready and not being deleted, of all or of a selection.
func (c *Cluster) readyNodes(ctx context.Context, selector string) ([]string, error) {
	nodes, err := c.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing nodes of %s: %w", c.Name, err)
	}
	var names []string
	for _, node := range nodes.Items {
		if nodeReady(node) && node.DeletionTimestamp == nil {
			names = append(names, node.Name)
		}
	}
	return names, nil
}

// freeNodes are the ready nodes that take any pod.
func (c *Cluster) freeNodes(ctx context.Context) ([]corev1.Node, error) {
	nodes, err := c.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes of %s: %w", c.Name, err)
	}
	var free []corev1.Node
	for _, node := range nodes.Items {
		repels := node.Spec.Unschedulable || node.DeletionTimestamp != nil
		for _, taint := range node.Spec.Taints {
			repels = repels || taint.Effect != corev1.TaintEffectPreferNoSchedule
		}
		if nodeReady(node) && !repels {
			free = append(free, node)
		}
	}
	return free, nil
}

func nodeReady(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
