//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// testIsolation looks from one cluster at the other, which has equal ranges, and at Naru's own pods.
func testIsolation(t *testing.T, w *world) {
	ha, small := w.ha(t), w.small(t)
	t.Run("when two clusters use one address for a Service, each answers its own", func(t *testing.T) {
		equalRanges(t, w, ha, small)
	})
	t.Run("when an object is made in one, the other does not have it", func(t *testing.T) {
		w.kubectl(t, small, "create", "configmap", "only-in-small")
		if _, err := ha.kube.CoreV1().ConfigMaps("default").Get(t.Context(), "only-in-small", metav1.GetOptions{}); gone(err) != nil {
			t.Errorf("the other cluster's ConfigMap: %v", gone(err))
		}
	})
	t.Run("when a machine of one looks at the other and at Naru, it reaches nothing", func(t *testing.T) {
		unreachable(t, w)
	})
	t.Run("when one's credentials are shown to the other, they are refused", func(t *testing.T) {
		stranger := *small
		config := *small.config
		config.Host = ha.config.Host
		config.TLSClientConfig.CAData = ha.config.TLSClientConfig.CAData
		c, err := connect(stranger.name, &config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err == nil || !strings.Contains(err.Error(), "nauthorized") {
			t.Errorf("got %v, want Unauthorized", err)
		}
	})
}

// sharedAddress is in the default service range, outside what is given out by itself.
const sharedAddress = "10.96.0.77"

func equalRanges(t *testing.T, w *world, clusters ...*cluster) {
	t.Helper()
	image := w.image(t, "hello")
	for _, c := range clusters {
		server := pod("who", image)
		server.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "NODE_NAME", Value: c.name}}
		create(t, c, server)
		_, err := c.kube.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "who"},
			Spec: corev1.ServiceSpec{
				ClusterIP: sharedAddress, Selector: server.Labels,
				Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		create(t, c, pod("asker", w.image(t, "busybox"), forever()...))
	}
	for _, c := range clusters {
		awaitPods(t, c, "who", "asker")
		eventually(t, "answer in "+c.name, 30*time.Second, func(ctx context.Context) error {
			got, err := w.shell(ctx, c, "asker", "timeout 3 wget -qO- http://"+sharedAddress)
			if err == nil && !strings.HasSuffix(strings.TrimSpace(got), "on node "+c.name) {
				return fmt.Errorf("another cluster's server answered: %s", got)
			}
			return err
		})
		w.kubectl(t, c, "delete", "service/who", "pod/who", "pod/asker", "--wait=false")
	}
}

// create makes a pod in namespace default, in place of one that an earlier run has left.
func create(t *testing.T, c *cluster, pod *corev1.Pod) {
	t.Helper()
	pods := c.kube.CoreV1().Pods("default")
	eventually(t, "room for pod "+pod.Name, time.Minute, func(ctx context.Context) error {
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		if err != nil {
			return errors.Join(err, pods.Delete(ctx, pod.Name, metav1.DeleteOptions{}))
		}
		return nil
	})
}

func awaitPods(t *testing.T, c *cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, "pod "+name+" in "+c.name, 2*time.Minute, func(ctx context.Context) error {
			pod, err := c.kube.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if !podReady(pod) {
				return fmt.Errorf("its phase is %s, its conditions %v", pod.Status.Phase, pod.Status.Conditions)
			}
			return nil
		})
	}
}

// target is something that a machine may or may not reach.
type target struct {
	what      string
	host      string
	port      int32
	reachable bool
}

// unreachable tries from a machine of the small cluster, as its root, which a tenant may become.
func unreachable(t *testing.T, w *world) {
	t.Helper()
	machines, err := w.componentPods(t, t.Context(), smallCluster)
	if err != nil {
		t.Fatal(err)
	}
	if len(machines[nodeComponent]) == 0 {
		t.Fatal("the small cluster has no machine to look from")
	}
	from := machines[nodeComponent][0].Name
	for _, target := range targets(t, w) {
		script := fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", target.host, target.port)
		_, err := w.cli.Kubectl(t.Context(), naru.Hosting, "-n", v1alpha1.Namespace(smallCluster), "exec", from, "--", "timeout", "3", "bash", "-c", script)
		if reached := err == nil; reached != target.reachable {
			t.Errorf("%s (%s): reached is %v, want %v: %v", target.what, net.JoinHostPort(target.host, fmt.Sprint(target.port)), reached, target.reachable, err)
		}
	}
}

func targets(t *testing.T, w *world) []target {
	t.Helper()
	all := []target{}
	add := func(what, namespace, service string, reachable bool) {
		found, err := w.hosting(t).kube.CoreV1().Services(namespace).Get(t.Context(), service, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, target{what, found.Spec.ClusterIP, found.Spec.Ports[0].Port, reachable})
	}
	// Those that must be reached show that the way of asking works.
	add("its own API", v1alpha1.Namespace(smallCluster), "front", true)
	add("the registry it pulls from", v1alpha1.SystemNamespace, "registry", true)
	add("what gives its pods roles", v1alpha1.SystemNamespace, "naru-pod-roles", true)
	add("the EKS API", v1alpha1.SystemNamespace, "naru-server", false)
	add("another cluster's API", v1alpha1.Namespace(haCluster), "front", false)
	add("the registry's writable side", v1alpha1.SystemNamespace, "registry-push", false)
	add("the authenticator of API servers", v1alpha1.SystemNamespace, "naru-authenticator", false)
	add("the hosting cluster's API", "default", "kubernetes", false)
	others, err := w.componentPods(t, t.Context(), haCluster)
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]int32{"etcd": 2379, "kube-apiserver": 6443, "kube-controller-manager": 10257, nodeComponent: 10250}
	for component, port := range ports {
		for _, pod := range others[component] {
			all = append(all, target{"another cluster's " + component, pod.Status.PodIP, port, false})
		}
	}
	return all
}
