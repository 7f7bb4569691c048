//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// readers are the processes of a node that read their credentials once, by how their command lines begin, and the file that each reads.
var readers = map[string]string{
	"/usr/local/bin/kube-proxy": "kube-proxy.kubeconfig", "/usr/local/bin/naru agent": "agent.kubeconfig", "/konnectivity-agent": "konnectivity.crt",
}

// testRenewal has all certificates of the highly available cluster renewed, and looks who uses the new ones.
func testRenewal(t *testing.T, w *world) {
	c := w.ha(t)
	w.awaitReady(t, haCluster)
	eventually(t, "nodes", 2*time.Minute, c.wantNodes(2))
	nodes, err := c.readyNodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	for _, node := range nodes {
		for process, file := range readers {
			if before[node+process], err = w.reader(t.Context(), node, process, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("when certificates are renewed, no request fails", func(t *testing.T) {
		undisturbed(t, c, func() {
			// Certificates know whole seconds.
			asked := time.Now().Add(time.Second).Truncate(time.Second)
			w.kubectlHosting(t, "annotate", "--overwrite", "cluster", haCluster,
				v1alpha1.AnnotationRenewCertificates+"="+asked.UTC().Format(time.RFC3339))
			eventually(t, "API servers with new certificates", 4*time.Minute, func(context.Context) error { return servesSince(c, asked) })
			for _, node := range nodes {
				for process, file := range readers {
					eventually(t, process+" of "+node+" with new credentials", 4*time.Minute, func(ctx context.Context) error {
						return w.readsAnew(ctx, node, process, file, before[node+process])
					})
				}
			}
			w.awaitFollowers(t)
			w.awaitReady(t, haCluster)
		})
	})
	t.Run("when certificates were renewed, nodes still learn of Services", func(t *testing.T) { testServiceAfter(t, w, c, nodes) })
	t.Run("when certificates were renewed, logs and exec still come", func(t *testing.T) {
		name := "renewed"
		create(t, c, pod(name, w.image(t, "busybox"), forever()...))
		awaitPods(t, c, name)
		if said, err := w.shell(t.Context(), c, name, "hostname"); err != nil || strings.TrimSpace(said) != name {
			t.Errorf("got %q, %v", said, err)
		}
		w.kubectl(t, c, "delete", "pod", name, "--wait=false")
	})
}

// reader says which credentials a node has, and which process reads them: "HASH PID".
func (w *world) reader(ctx context.Context, node, process, file string) (string, error) {
	script := fmt.Sprintf(`sha256sum </etc/naru/%s | cut -c 1-16; pgrep -o -f "^%s"`, file, process)
	result, err := w.cli.Kubectl(ctx, naru.Hosting, "-n", v1alpha1.Namespace(haCluster), "exec", node, "--", "sh", "-c", script)
	if found := strings.Fields(result.Stdout); err == nil && len(found) == 2 {
		return strings.Join(found, " "), nil
	}
	return "", fmt.Errorf("looking for %s on %s: %q, %w", process, node, result.Stdout, err)
}

// readsAnew checks that a node has other credentials than before, and that another process reads them.
func (w *world) readsAnew(ctx context.Context, node, process, file, before string) error {
	now, err := w.reader(ctx, node, process, file)
	if err != nil {
		return err
	}
	oldHash, oldPID, _ := strings.Cut(before, " ")
	hash, pid, _ := strings.Cut(now, " ")
	if hash == oldHash || pid == oldPID {
		return fmt.Errorf("its credentials were %s, read by process %s, and are %s, read by process %s", oldHash, oldPID, hash, pid)
	}
	return nil
}

// servesSince checks that the certificates which the front's API servers show were made at a time or later. Several
// connections are made, as each comes to another server.
func servesSince(c *cluster, made time.Time) error {
	at, err := url.Parse(c.config.Host)
	if err != nil {
		return err
	}
	for range 12 {
		// Which certificate is shown is the question, not whether it is a good one.
		conn, err := tls.Dial("tcp", at.Host, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		shown := conn.ConnectionState().PeerCertificates[0]
		conn.Close()
		// They begin five minutes before they are made, for machines whose clock is late.
		if begins := shown.NotBefore.Add(5 * time.Minute); begins.Before(made) {
			return fmt.Errorf("one shows a certificate of %s, want %s or later", begins, made)
		}
	}
	return nil
}

// awaitFollowers waits until what has a certificate of its own in a Secret runs with the present one.
func (w *world) awaitFollowers(t *testing.T) {
	t.Helper()
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "karpenter"} {
		w.kubectlHosting(t, "-n", v1alpha1.Namespace(haCluster), "rollout", "status", "deployment/"+name, "--timeout", "240s")
		eventually(t, name+" with its present Secrets", 2*time.Minute, func(ctx context.Context) error {
			deployments := w.hosting(t).kube.AppsV1().Deployments(v1alpha1.Namespace(haCluster))
			found, err := deployments.Get(ctx, name, metav1.GetOptions{})
			if err == nil && (found.Generation < 2 || found.Status.UpdatedReplicas != *found.Spec.Replicas || found.Status.Replicas != *found.Spec.Replicas) {
				err = fmt.Errorf("generation %d, %d of %d pods are of the present one", found.Generation, found.Status.UpdatedReplicas, found.Status.Replicas)
			}
			return err
		})
	}
}

// testServiceAfter makes a Service that no kube-proxy has seen with its old kubeconfig.
func testServiceAfter(t *testing.T, w *world, c *cluster, nodes []string) {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "after-renewal"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"e2e": "server"}, Ports: []corev1.ServicePort{{Port: 8080}}},
	}
	service, err := c.kube.CoreV1().Services(service.Namespace).Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, pod("server", w.image(t, "busybox"), "sh", "-c", "mkdir /tmp/www; echo it answers >/tmp/www/index.html; httpd -f -p 8080 -h /tmp/www"))
	awaitPods(t, c, "server")
	for i, node := range nodes {
		client := pod(fmt.Sprintf("caller-%d", i), w.image(t, "busybox"), forever()...)
		client.Spec.NodeName = node
		create(t, c, client)
		awaitPods(t, c, client.Name)
		// By its address kube-proxy knows it, by its name CoreDNS does.
		for _, host := range []string{service.Spec.ClusterIP, service.Name} {
			eventually(t, "an answer of "+host+" on "+node, time.Minute, func(ctx context.Context) error {
				said, err := w.shell(ctx, c, client.Name, "timeout 3 wget -qO- http://"+host+":8080")
				if err == nil && strings.TrimSpace(said) != "it answers" {
					err = fmt.Errorf("got %q", said)
				}
				return err
			})
		}
		w.kubectl(t, c, "delete", "pod", client.Name, "--wait=false")
	}
	w.kubectl(t, c, "delete", "pod/server", "service/after-renewal", "--wait=false")
}
