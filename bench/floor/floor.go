// Package floor measures the least time in which a machine can have a Kubernetes: etcd, API server,
// controller manager, scheduler, kubelet and containerd, the very binaries that Naru runs, as bare
// processes in namespaces of their own, until the node is Ready and a pod runs.
package floor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/hostinit"
	"naru.dev/naru/internal/standalone/wire"
	"naru.dev/naru/test/naru"
)

const (
	name    = "bench-floor"
	address = "100.66.9.2"
	gateway = "100.66.9.1"
	prefix  = "/24"
	limit   = 3 * time.Minute
)

// machine is the namespaces that the floor runs in.
type machine struct {
	binary      string
	built       *release.Built
	dir         string
	token       string
	hierarchies []cgroup.Hierarchy
	wire        *wire.Wire
	network     *wire.Namespace
	process     *exec.Cmd
	output      *os.File
}

// Measure runs the floor once, with the naru binary at path as the node's first process. Everything
// is prepared before the clock starts and taken away after it has stopped.
func Measure(ctx context.Context, binary string, built *release.Built) (took time.Duration, err error) {
	m := &machine{binary: binary, built: built}
	defer func() { err = errors.Join(err, m.remove()) }()
	if err := m.prepare(); err != nil {
		return 0, err
	}
	kube, err := m.client()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := m.start(); err != nil {
		return 0, err
	}
	err = naru.Eventually(ctx, "a Ready node and a running pod of bare processes", limit, func(ctx context.Context) error {
		return podRuns(ctx, kube, built.Refs()["pause"])
	})
	if err != nil {
		return 0, errors.Join(err, m.keepLogs())
	}
	return time.Since(begin), nil
}

func (m *machine) prepare() (err error) {
	// Not /tmp, which may be a tmpfs: containerd's overlays need a disk, as Naru's have.
	if m.dir, err = os.MkdirTemp("/var/tmp", "naru-bench-floor-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if m.hierarchies, err = cgroup.Mounted(); err != nil {
		return err
	}
	if m.wire, err = wire.New(gateway + prefix); err != nil {
		return err
	}
	if m.network, err = m.wire.Attach(name, address+prefix, gateway); err != nil {
		return err
	}
	if err := m.writeFiles(); err != nil {
		return err
	}
	cgroups, err := cgroup.Make(m.hierarchies, name)
	if err != nil {
		return err
	}
	return m.writeSpec(cgroups)
}

func (m *machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

func (m *machine) writeSpec(cgroups []string) error {
	etcd, err := m.built.Program("etcd")
	if err != nil {
		return err
	}
	data, err := json.Marshal(hostinit.Spec{
		Hostname: "floor", Lower: m.built.NodeRootfs, Upper: m.path("upper"), Work: m.path("work"), Root: m.path("root"),
		Binds: map[string]string{
			m.path("floor"): "/floor", m.path("containerd"): "/var/lib/containerd", m.path("kubelet"): "/var/lib/kubelet",
			m.path("etcd"): "/var/lib/etcd", m.path("log"): "/var/log", etcd: "/usr/local/bin/etcd", m.binary: "/usr/local/bin/naru",
		},
		Cgroups: cgroups, Command: []string{"/usr/local/bin/naru", "node"},
	})
	if err != nil {
		return fmt.Errorf("encoding the machine: %w", err)
	}
	return write(m.path("spec.json"), data)
}

func (m *machine) start() error {
	network, err := m.network.File()
	if err != nil {
		return err
	}
	defer network.Close()
	if m.output, err = os.Create(m.path("log", "node")); err != nil {
		return fmt.Errorf("making a log: %w", err)
	}
	m.process = exec.Command(m.binary, "daemon", "host-init", "--spec", m.path("spec.json"))
	m.process.Stdout, m.process.Stderr = m.output, m.output
	m.process.ExtraFiles = []*os.File{network}
	m.process.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, Setsid: true,
	}
	if err := m.process.Start(); err != nil {
		return fmt.Errorf("starting the machine: %w", err)
	}
	return nil
}

// remove takes everything away, also what was only half made.
func (m *machine) remove() error {
	var errs []error
	if m.process != nil && m.process.Process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait() // Killed.
		m.output.Close()
	}
	if m.hierarchies != nil {
		errs = append(errs, cgroup.Kill(m.hierarchies, name))
	}
	if m.network != nil {
		errs = append(errs, m.network.Close())
	}
	if m.wire != nil {
		errs = append(errs, m.wire.Close())
	}
	if m.dir != "" {
		errs = append(errs, os.RemoveAll(m.dir))
	}
	return errors.Join(errs...)
}

// keepLogs moves the logs to where remove does not find them, and says where.
func (m *machine) keepLogs() error {
	kept := m.dir + "-logs"
	if err := os.Rename(m.path("log"), kept); err != nil {
		return fmt.Errorf("keeping the logs: %w", err)
	}
	if err := os.Rename(m.path("floor", "log"), filepath.Join(kept, "control-plane")); err != nil {
		return fmt.Errorf("keeping the logs: %w", err)
	}
	return fmt.Errorf("its logs are in %s", kept)
}

func (m *machine) client() (kubernetes.Interface, error) {
	kube, err := kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + net.JoinHostPort(address, "6443"), BearerToken: m.token, QPS: -1,
		// Its certificate is its own: nobody else is in its network.
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		Dial: func(ctx context.Context, _, to string) (net.Conn, error) {
			return m.network.Dial(ctx, to, time.Second)
		},
		Timeout: 2 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return kube, nil
}

// podRuns makes the pod as soon as the API server takes it, and looks at it and at the node.
func podRuns(ctx context.Context, kube kubernetes.Interface, image string) error {
	pods := kube.CoreV1().Pods(metav1.NamespaceDefault)
	pod, err := pods.Get(ctx, "floor", metav1.GetOptions{})
	if err != nil {
		_, created := pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "floor"},
			Spec: corev1.PodSpec{
				AutomountServiceAccountToken: ptr.To(false),
				Containers:                   []corev1.Container{{Name: "main", Image: image, ImagePullPolicy: corev1.PullNever}},
			},
		}, metav1.CreateOptions{})
		return errors.Join(err, created)
	}
	if pod.Status.Phase != corev1.PodRunning {
		return fmt.Errorf("the pod is %s: %v", pod.Status.Phase, pod.Status.Conditions)
	}
	return nodeReady(ctx, kube)
}

func nodeReady(ctx context.Context, kube kubernetes.Interface) error {
	node, err := kube.CoreV1().Nodes().Get(ctx, "floor", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return fmt.Errorf("the node is not ready: %s", condition.Message)
		}
	}
	return nil
}
