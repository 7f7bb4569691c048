package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/bench/measure"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/daemon"
)

// site is the cluster that suffers, seen from the machine below it.
type site struct {
	*measure.Bench
	namespace string
	cgroups   measure.Cgroups
}

// faults are those of the issue. Which etcd member leads changes with every fault, so each is
// killed in turn and the longest gap counts: one of them was the leader.
func (s *site) faults(ctx context.Context) ([]fault, error) {
	faults := []fault{{"kill -9 of an API server", 1, func(ctx context.Context) error { return s.kill(ctx, "kube-apiserver", 0) }}}
	for n := range 3 {
		faults = append(faults, fault{fmt.Sprintf("kill -9 of etcd member %d of 3, one of them the leader", n+1), 3,
			func(ctx context.Context) error { return s.kill(ctx, "etcd", n) }})
	}
	status, err := daemon.Ask(ctx, s.Hosting.State)
	if err != nil {
		return nil, err
	}
	if status.Spec.Hosts > 1 {
		faults = append(faults, fault{"kill -9 of a whole host", 5, s.killHost})
	}
	return faults, nil
}

func (s *site) readyPods(ctx context.Context, component string) ([]corev1.Pod, error) {
	pods, err := s.Kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelComponent + "=" + component})
	if err != nil {
		return nil, err
	}
	var ready []corev1.Pod
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				ready = append(ready, pod)
			}
		}
	}
	return ready, nil
}

// kill sends SIGKILL to the processes that give a component its name, in the nth of its pods.
func (s *site) kill(ctx context.Context, component string, n int) error {
	pods, err := s.readyPods(ctx, component)
	if err != nil || n >= len(pods) {
		return errors.Join(err, fmt.Errorf("pod %d of %s is not there", n, component))
	}
	pids, err := s.cgroups.Processes(&pods[n])
	if err != nil {
		return err
	}
	killed := 0
	for _, pid := range pids {
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // It has ended.
		}
		program, _, _ := strings.Cut(string(arguments), "\x00")
		if !strings.HasSuffix(program, component) {
			continue // Its sandbox, or a sidecar.
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			return fmt.Errorf("killing %s: %w", program, err)
		}
		killed++
	}
	if killed == 0 {
		return fmt.Errorf("no process of pod %s is named %s", pods[n].Name, component)
	}
	return nil
}

// killHost kills all that runs on the last host; the daemon starts it again.
func (s *site) killHost(ctx context.Context) error {
	status, err := daemon.Ask(ctx, s.Hosting.State)
	if err != nil {
		return err
	}
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return err
	}
	return cgroup.Kill(hierarchies, fmt.Sprintf("host-%d", status.Spec.Hosts))
}

const bareName = "bench-bare"

// throughService measures the faults through a Service without a front, from a host's network.
func (s *site) throughService(ctx context.Context, config *rest.Config) ([]measure.Figure, error) {
	address, err := s.bareService(ctx)
	// Also after an interrupt. The cluster's deletion takes them, too.
	defer func() {
		ctx := context.WithoutCancel(ctx)
		_ = s.Kube.CoreV1().Services(s.namespace).Delete(ctx, bareName, metav1.DeleteOptions{})
		_ = s.Kube.NetworkingV1().NetworkPolicies(s.namespace).Delete(ctx, bareName, metav1.DeleteOptions{})
	}()
	if err != nil {
		return nil, err
	}
	host, err := hostNetwork()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	config = rest.CopyConfig(config)
	config.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialFrom(ctx, host, net.JoinHostPort(address, "6443"))
	}
	return s.all(ctx, ", bare Service", config)
}

// bareService makes the Service, and the policy that lets hosts reach API servers past the front.
func (s *site) bareService(ctx context.Context) (address string, err error) {
	selector := map[string]string{v1alpha1.LabelComponent: "kube-apiserver"}
	port := intstr.FromInt32(6443)
	_, err = s.Kube.NetworkingV1().NetworkPolicies(s.namespace).Create(ctx, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: bareName},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selector},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: &port}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("opening a way to the API servers: %w", err)
	}
	service, err := s.Kube.CoreV1().Services(s.namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: bareName},
		Spec:       corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Port: 6443, TargetPort: port}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("making a bare Service: %w", err)
	}
	return service.Spec.ClusterIP, nil
}

// hostNetwork holds the network namespace of host-1, by any process of it whose network is not this one.
func hostNetwork() (netns.NsHandle, error) {
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return netns.None(), err
	}
	for _, pid := range cgroup.Pids(hierarchies) {
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		// kube-proxy, unlike pods, is in the host's own network.
		if err != nil || !strings.Contains(string(arguments), "kube-proxy") {
			continue
		}
		cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil || !strings.Contains(string(cgroups), "host-1") || strings.Contains(string(cgroups), "kubepods") {
			continue
		}
		return netns.GetFromPid(pid)
	}
	return netns.None(), errors.New("host-1 has no kube-proxy: is Naru running?")
}

// dialFrom connects from inside a network namespace.
func dialFrom(ctx context.Context, namespace netns.NsHandle, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// Never unlocked: the runtime ends the thread, which is in another namespace, with the goroutine.
		runtime.LockOSThread()
		if err := netns.Set(namespace); err != nil {
			done <- result{nil, fmt.Errorf("entering a host's network: %w", err)}
			return
		}
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp4", address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
