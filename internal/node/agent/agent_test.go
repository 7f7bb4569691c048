package agent_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"naru.dev/naru/internal/node/agent/overlay"
	"naru.dev/naru/internal/node/agent/policy"
)

// all pods reach all.
const everything = `
x/a → x/a x/b x/c y/a y/b
x/b → x/a x/b x/c y/a y/b
x/c → x/a x/b x/c y/a y/b
y/a → x/a x/b x/c y/a y/b
y/b → x/a x/b x/c y/a y/b`

type reach struct {
	name, policy, network, port, want string
}

// policies are those of Kubernetes' own tests, in pairs of the same node
// (x/a, x/b, y/b) and across nodes.
var policies = []reach{
	{"when ingress of a namespace is denied, only pods of other namespaces are reached", `
podSelector: {}
policyTypes: [Ingress]`, "tcp4", "80", `
x/a → x/a y/a y/b
x/b → x/b y/a y/b
x/c → x/c y/a y/b
y/a → y/a y/b
y/b → y/a y/b`},
	{"when egress of a namespace is denied, its pods reach themselves only", `
podSelector: {}
policyTypes: [Egress]`, "tcp4", "80", `
x/a → x/a
x/b → x/b
x/c → x/c
y/a → x/a x/b x/c y/a y/b
y/b → x/a x/b x/c y/a y/b`},
	{"when one pod may be reached from another of its namespace, nobody else reaches it", `
podSelector: {matchLabels: {pod: a}}
ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]`, "tcp4", "80", `
x/a → x/a x/b x/c y/a y/b
x/b → x/a x/b x/c y/a y/b
x/c → x/b x/c y/a y/b
y/a → x/b x/c y/a y/b
y/b → x/b x/c y/a y/b`},
	{"when a namespace may reach a pod, its own namespace may not", `
podSelector: {matchLabels: {pod: a}}
ingress: [{from: [{namespaceSelector: {matchLabels: {ns: "y"}}}]}]`, "tcp4", "80", `
x/a → x/a x/b x/c y/a y/b
x/b → x/b x/c y/a y/b
x/c → x/b x/c y/a y/b
y/a → x/a x/b x/c y/a y/b
y/b → x/a x/b x/c y/a y/b`},
	{"when egress is to one namespace's pod, replies come back and nothing else passes", `
podSelector: {matchLabels: {pod: c}}
policyTypes: [Egress]
egress: [{to: [{namespaceSelector: {matchLabels: {ns: "y"}}, podSelector: {matchLabels: {pod: b}}}]}]`, "tcp4", "80", `
x/a → x/a x/b x/c y/a y/b
x/b → x/a x/b x/c y/a y/b
x/c → x/c y/b
y/a → x/a x/b x/c y/a y/b
y/b → x/a x/b x/c y/a y/b`},
	{"when a named port is open, it is", `
podSelector: {}
ingress: [{ports: [{port: serve-81}]}]`, "tcp4", "81", everything},
	{"when a named port is open, another is not", `
podSelector: {}
ingress: [{ports: [{port: serve-81}]}]`, "tcp4", "80", `
x/a → x/a y/a y/b
x/b → x/b y/a y/b
x/c → x/c y/a y/b
y/a → y/a y/b
y/b → y/a y/b`},
	{"when a range of ports is open, TCP in it passes", `
podSelector: {}
ingress: [{ports: [{port: 70, endPort: 80}]}]`, "tcp4", "80", everything},
	{"when TCP is open, UDP is not", `
podSelector: {}
ingress: [{ports: [{port: 80}]}]`, "udp4", "80", `
x/a → x/a y/a y/b
x/b → x/b y/a y/b
x/c → x/c y/a y/b
y/a → y/a y/b
y/b → y/a y/b`},
	{"when UDP is open, it passes", `
podSelector: {}
ingress: [{ports: [{port: 80, protocol: UDP}]}]`, "udp4", "80", everything},
	{"when a block with an exception may enter, the exception may not", `
podSelector: {matchLabels: {pod: a}}
ingress: [{from: [{ipBlock: {cidr: 10.244.1.0/24, except: [10.244.1.12/32]}}]}]`, "tcp4", "80", `
x/a → x/a x/b x/c y/a y/b
x/b → x/a x/b x/c y/a y/b
x/c → x/b x/c y/a y/b
y/a → x/b x/c y/a y/b
y/b → x/b x/c y/a y/b`},
}

func TestPolicyReachability(t *testing.T) {
	for _, backend := range []overlay.Backend{overlay.BackendVXLAN, overlay.BackendHostGateway} {
		t.Run(string(backend), func(t *testing.T) {
			w := newWorld(t, backend)
			w.awaitReach("tcp4", "80", everything)
			for _, c := range policies {
				t.Run(c.name, func(t *testing.T) {
					w.t = t
					w.setPolicy("test", c.policy)
					w.awaitReach(c.network, c.port, c.want)
				})
			}
			w.t = t
			w.deletePolicy("test")
			w.awaitReach("tcp4", "80", everything)
		})
	}
}

func TestServicesAreJudgedAfterTranslation(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	const service = "10.96.0.10:8080"
	for _, n := range w.nodes { // As kube-proxy does: DNAT at prerouting and, from the node, at output.
		w.nft(n, `table ip kube-proxy {
			chain nat-prerouting { type nat hook prerouting priority dstnat; ip daddr 10.96.0.10 tcp dport 8080 dnat to 10.244.1.10:80; }
			chain nat-output { type nat hook output priority -100; ip daddr 10.96.0.10 tcp dport 8080 dnat to 10.244.1.10:80; }
			chain nat-postrouting { type nat hook postrouting priority srcnat; ip saddr 10.244.1.10 ip daddr 10.244.1.10 masquerade; }
		}`)
	}
	w.setPolicy("test", `
podSelector: {matchLabels: {pod: a}}
ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]`)
	w.awaitProbes(map[string]func() string{
		"x/b, same node, allowed":     func() string { return probe(w.pods["x/b"].ns, "tcp4", service) },
		"y/b, same node, denied":      func() string { return probe(w.pods["y/b"].ns, "tcp4", service) },
		"x/c, other node, denied":     func() string { return probe(w.pods["x/c"].ns, "tcp4", service) },
		"x/a, itself through Service": func() string { return probe(w.pods["x/a"].ns, "tcp4", service) },
		"node-1, its own node":        func() string { return probe(w.nodes["node-1"].ns, "tcp4", service) },
	}, map[string]string{
		"x/b, same node, allowed":     "10.244.1.11",
		"y/b, same node, denied":      "",
		"x/c, other node, denied":     "",
		"x/a, itself through Service": "10.244.1.1",
		"node-1, its own node":        "192.168.77.1",
	})
}

func TestTrafficToTheOwnNode(t *testing.T) {
	w := newWorld(t, overlay.BackendHostGateway)
	node := w.nodes["node-1"]
	w.must(inside(node.ns, w.serve))
	w.setPolicy("test", `
podSelector: {}
policyTypes: [Ingress, Egress]
egress: [{to: [{ipBlock: {cidr: 192.168.77.1/32}}], ports: [{port: 81}]}]`)
	probes := map[string]func() string{
		"allowed port":     func() string { return probe(w.pods["x/a"].ns, "tcp4", node.ip+":81") },
		"other port":       func() string { return probe(w.pods["x/a"].ns, "tcp4", node.ip+":80") },
		"gateway":          func() string { return probe(w.pods["x/a"].ns, "tcp4", "10.244.1.1:80") },
		"without a policy": func() string { return probe(w.pods["y/b"].ns, "tcp4", node.ip+":80") },
		"to the pod":       func() string { return probe(node.ns, "tcp4", w.pods["x/a"].ip.String()+":80") },
	}
	w.awaitProbes(probes, map[string]string{
		"allowed port": "10.244.1.10", "other port": "10.244.1.10", "gateway": "10.244.1.10",
		"without a policy": "10.244.1.12", "to the pod": "10.244.1.1",
	})
	node.stop()
	w.ownNode = policy.OwnNodePolicy
	w.start(node, overlay.BackendHostGateway)
	w.awaitProbes(probes, map[string]string{
		"allowed port": "10.244.1.10", "other port": "", "gateway": "",
		"without a policy": "10.244.1.12", "to the pod": "10.244.1.1",
	})
}

func TestNodeReachesItsPods(t *testing.T) {
	w := newWorld(t, overlay.BackendHostGateway)
	w.setPolicy("test", `
podSelector: {}
policyTypes: [Ingress, Egress]`)
	pod := w.pods["x/a"].ip.String() + ":80"
	w.awaitProbes(map[string]func() string{
		"own node":      func() string { return probe(w.nodes["node-1"].ns, "tcp4", pod) },
		"other node":    func() string { return probe(w.nodes["node-2"].ns, "tcp4", pod) },
		"a pod nearby":  func() string { return probe(w.pods["y/b"].ns, "tcp4", pod) },
		"a pod far off": func() string { return probe(w.pods["y/a"].ns, "tcp4", pod) },
	}, map[string]string{"own node": "10.244.1.1", "other node": "", "a pod nearby": "", "a pod far off": ""})
}

func TestMasquerade(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	w.must(inside(w.nodes["node-2"].ns, w.serve))
	w.awaitProbes(map[string]func() string{
		"to another node": func() string { return probe(w.pods["x/a"].ns, "tcp4", "192.168.77.2:80") },
		"to a pod":        func() string { return probe(w.pods["x/a"].ns, "tcp4", w.pods["x/c"].ip.String()+":80") },
	}, map[string]string{"to another node": "192.168.77.1", "to a pod": "10.244.1.10"})
}

func TestPodsCannotBorrowAddresses(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	w.must(inside(w.pods["y/b"].ns, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, &netlink.Addr{IPNet: single(w.pods["x/b"].ip)})
	}))
	send := func() {
		w.must(inside(w.pods["y/b"].ns, func() error {
			conn, err := dialFrom(w.pods["x/b"].ip, w.pods["x/a"].ip)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			_, err = conn.Write([]byte("?"))
			return err
		}))
	}
	w.await("a packet with another pod's address is dropped", func() bool {
		send()
		return strings.Contains(w.nft(w.nodes["node-1"], "list chain ip naru-policy spoofed"), "drop") &&
			!strings.Contains(w.nft(w.nodes["node-1"], "list chain ip naru-policy spoofed"), "packets 0 ")
	})
}

func TestHealth(t *testing.T) {
	w := newWorld(t, overlay.BackendVXLAN)
	answer := httptest.NewRecorder()
	w.nodes["node-1"].agent.Health().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if answer.Code != http.StatusOK || strings.Count(answer.Body.String(), "last synced 2") != 2 {
		t.Errorf("when both loops have synced, /healthz answers %d %s", answer.Code, answer.Body)
	}
}

func dialFrom(source, destination netip.Addr) (*net.UDPConn, error) {
	return net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)),
		net.UDPAddrFromAddrPort(netip.AddrPortFrom(destination, 80)))
}

func (w *world) setPolicy(name, spec string) {
	w.t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: name}}
	w.must(yaml.UnmarshalStrict([]byte(spec), &p.Spec))
	policies := w.client.NetworkingV1().NetworkPolicies("x")
	if _, err := policies.Get(w.t.Context(), name, metav1.GetOptions{}); err == nil {
		_, err = policies.Update(w.t.Context(), p, metav1.UpdateOptions{})
		w.must(err)
		return
	}
	_, err := policies.Create(w.t.Context(), p, metav1.CreateOptions{})
	w.must(err)
}

func (w *world) deletePolicy(name string) {
	w.t.Helper()
	w.must(w.client.NetworkingV1().NetworkPolicies("x").Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// awaitReach probes every pair of pods until the table is the wanted one.
func (w *world) awaitReach(network, port, want string) {
	w.t.Helper()
	probes, wanted := map[string]func() string{}, map[string]string{}
	for _, from := range w.pods {
		for _, to := range w.pods {
			probes[from.name+" → "+to.name] = func() string { return probe(from.ns, network, to.ip.String()+":"+port) }
			wanted[from.name+" → "+to.name] = ""
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		from, to, _ := strings.Cut(line, " → ")
		for _, name := range strings.Fields(to) {
			wanted[from+" → "+name] = w.pods[from].ip.String()
		}
	}
	w.awaitProbes(probes, wanted)
}

// awaitProbes repeats the probes, all at once, until they see what is wanted.
func (w *world) awaitProbes(probes map[string]func() string, want map[string]string) {
	w.t.Helper()
	diff := ""
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		got := map[string]string{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for name, run := range probes {
			all.Go(func() {
				answer := run()
				mu.Lock()
				defer mu.Unlock()
				got[name] = answer
			})
		}
		all.Wait()
		if diff = cmp.Diff(want, got); diff == "" {
			return
		}
	}
	w.t.Fatalf("who reaches whom, and as which address, stays wrong for 20 s (-want +got):\n%s\n%s", diff,
		w.nft(w.nodes["node-1"], "list ruleset"))
}

func (w *world) nft(n *node, command string) string {
	w.t.Helper()
	var out []byte
	err := inside(n.ns, func() error {
		var err error
		out, err = exec.Command("nft", command).CombinedOutput()
		return err
	})
	if err != nil {
		w.t.Fatalf("nft %s: %v: %s", command, err, out)
	}
	return string(out)
}
