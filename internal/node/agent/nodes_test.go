package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/node/agent/overlay"
)

func TestNodesComeAndGo(t *testing.T) {
	for _, backend := range []overlay.Backend{overlay.BackendVXLAN, overlay.BackendHostGateway} {
		t.Run(string(backend), func(t *testing.T) {
			w := newWorld(t, backend)
			third := &node{name: "node-3", ip: "192.168.77.3", cidr: "10.244.3.0/24"}
			first := w.nodes["node-1"]
			before := w.footprint(first)

			w.create(third.object())
			w.await("node-3 is routed", func() bool { return strings.Contains(w.footprint(first), "10.244.3.0") })
			moved := third.object()
			moved.Status.Addresses[0].Address = "192.168.77.33"
			w.updateNode(moved)
			w.await("node-3's new address is used", func() bool {
				now := w.footprint(first)
				return strings.Contains(now, "192.168.77.33") && !strings.Contains(now, "192.168.77.3 ")
			})
			w.must(w.client.CoreV1().Nodes().Delete(t.Context(), "node-3", metav1.DeleteOptions{}))
			w.await("what belonged to node-3 is gone", func() bool { return w.footprint(first) == before })

			first.stop()
			w.start(first, backend)
			if diff := cmp.Diff(before, w.footprint(first)); diff != "" {
				t.Errorf("when the agent restarts, it changes what was right (-before +after):\n%s", diff)
			}
			w.awaitReach("tcp4", "80", everything)
		})
	}
}

func TestOwnAddressChanges(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	second := w.nodes["node-2"]
	w.must(inside(second.ns, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		old, err := netlink.ParseAddr(second.ip + "/24")
		if err != nil {
			return err
		}
		if err := netlink.AddrDel(link, old); err != nil {
			return err
		}
		return configure("eth0", "192.168.77.22/24", "192.168.77.1")
	}))
	second.ip = "192.168.77.22"
	w.updateNode(second.object())
	w.awaitReach("tcp4", "80", everything)
}

func TestBackendChanges(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	for _, backend := range []overlay.Backend{overlay.BackendHostGateway, overlay.BackendVXLAN} {
		for _, n := range w.nodes {
			n.stop()
			w.must(os.Remove(filepath.Join(n.cniDir, "10-naru.conflist")))
			w.start(n, backend)
		}
		w.awaitReach("tcp4", "80", everything)
	}
}

// TestNestedCluster runs a tenant's nodes in pods, as Naru does: its agents work
// in the pods' network namespaces, and the hosting cluster's policy sees only
// node pods and UDP 8472.
func TestNestedCluster(t *testing.T) {
	hosting := newWorld(t, overlay.BackendHostGateway)
	tenant := emptyWorld(t, "10.200.0.0/16")
	tenant.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "x", Labels: map[string]string{"ns": "x"}}})
	for i, name := range []string{"x/a", "x/b", "x/c"} { // Two share a host.
		p := hosting.pods[name]
		n := &node{name: name, ip: p.ip.String(), cidr: fmt.Sprintf("10.200.%d.0/24", i), ns: p.ns, cniDir: t.TempDir()}
		tenant.nodes[name] = n
		tenant.create(n.object())
		tenant.start(n, overlay.BackendVXLAN)
		tenant.addPod("x", string(rune('a'+i)), n, i+10)
		conf, err := os.ReadFile(filepath.Join(n.cniDir, "10-naru.conflist"))
		if err != nil || !strings.Contains(string(conf), `"mtu": 1450`) {
			t.Errorf("when the node pod's MTU is 1500, the CNI configuration is %s, %v", conf, err)
		}
	}
	const all = `
x/a → x/a x/b x/c
x/b → x/a x/b x/c
x/c → x/a x/b x/c`
	tenant.awaitReach("tcp4", "80", all)

	hosting.setPolicy("tenant", `
podSelector: {}
policyTypes: [Ingress, Egress]
ingress: [{from: [{podSelector: {}}], ports: [{port: 8472, protocol: UDP}]}]
egress: [{to: [{podSelector: {}}], ports: [{port: 8472, protocol: UDP}]}]`)
	hosting.awaitReach("tcp4", "80", `
x/a → x/a
x/b → x/b
x/c → x/c
y/a → y/a y/b
y/b → y/a y/b`)
	tenant.awaitReach("tcp4", "80", all)
	outside := hosting.pods["y/a"].ip.String() + ":80"
	tenant.awaitProbes(map[string]func() string{
		"to another tenant": func() string { return probe(tenant.pods["x/a"].ns, "tcp4", outside) },
	}, map[string]string{"to another tenant": ""})

	hosting.deletePolicy("tenant")
	tenant.awaitProbes(map[string]func() string{
		"as its node": func() string { return probe(tenant.pods["x/a"].ns, "tcp4", outside) },
	}, map[string]string{"as its node": hosting.pods["x/a"].ip.String()})

	tenant.setPolicy("inner", `
podSelector: {matchLabels: {pod: a}}
ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]`)
	tenant.awaitReach("tcp4", "80", `
x/a → x/a x/b x/c
x/b → x/a x/b x/c
x/c → x/b x/c`)
}

func (w *world) updateNode(n *corev1.Node) {
	w.t.Helper()
	_, err := w.client.CoreV1().Nodes().Update(w.t.Context(), n, metav1.UpdateOptions{})
	w.must(err)
}

// footprint is what the agent programmed to reach other nodes.
func (w *world) footprint(n *node) string {
	w.t.Helper()
	var lines []string
	w.must(inside(n.ns, func() error {
		for _, command := range []string{
			"-details route show proto 110", "-4 neigh show nud permanent", "-details -4 addr show " + overlay.Device,
		} {
			out, _ := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
			lines = append(lines, strings.Split(strings.TrimSpace(string(out)), "\n")...)
		}
		out, _ := exec.Command("bridge", "fdb", "show", "dev", overlay.Device).CombinedOutput()
		lines = append(lines, strings.Split(strings.TrimSpace(string(out)), "\n")...)
		return nil
	}))
	sort.Strings(lines)
	return fmt.Sprintln(strings.Join(lines, "\n"))
}
