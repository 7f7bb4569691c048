package overlay_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/node/agent/overlay"
)

func node(name, ip, pods string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: pods}}
	if ip != "" {
		n.Status.Addresses = []corev1.NodeAddress{
			{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: ip},
		}
	}
	return n
}

func TestNewPlan(t *testing.T) {
	self := node("self", "192.168.0.1", "10.244.1.0/24")
	for _, c := range []struct {
		name  string
		nodes []*corev1.Node
		want  []string
		err   error
	}{
		{"when there is no own node, it waits", []*corev1.Node{node("b", "192.168.0.2", "10.244.2.0/24")}, nil, overlay.ErrNodeNotReady},
		{"when the own node has no pod range, it waits", []*corev1.Node{node("self", "192.168.0.1", "")}, nil, overlay.ErrNodeNotReady},
		{"when the own node has no address, it waits", []*corev1.Node{node("self", "", "10.244.1.0/24")}, nil, overlay.ErrNodeNotReady},
		{"when nodes are complete, it sorts them by pod range", []*corev1.Node{
			node("c", "192.168.0.3", "10.244.3.0/24"), self, node("b", "192.168.0.2", "10.244.2.0/24"),
		}, []string{"b", "c"}, nil},
		{"when another node is incomplete or IPv6, it leaves it out", []*corev1.Node{
			self, node("b", "", "10.244.2.0/24"), node("c", "192.168.0.3", ""), node("d", "fd00::4", "fd01::/64"),
		}, nil, nil},
		{"when a stale node holds this node's address or range, it leaves it out", []*corev1.Node{
			self, node("b", "192.168.0.1", "10.244.2.0/24"), node("c", "192.168.0.3", "10.244.1.0/24"),
		}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := overlay.NewPlan("self", overlay.BackendVXLAN, netip.MustParsePrefix("10.244.0.0/16"), c.nodes)
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			var got []string
			for _, p := range plan.Peers {
				got = append(got, p.Name)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("peers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMAC(t *testing.T) {
	mac := overlay.Peer{IP: netip.MustParseAddr("192.168.0.1")}.MAC()
	if mac.String() != "0a:6e:c0:a8:00:01" {
		t.Errorf("MAC of 192.168.0.1 is %s", mac)
	}
}

func TestMTU(t *testing.T) {
	for backend, want := range map[overlay.Backend]int{overlay.BackendVXLAN: 1450, overlay.BackendHostGateway: 1500} {
		if got := (overlay.Plan{Backend: backend}).MTU(1500); got != want {
			t.Errorf("MTU of %s over 1500 is %d, want %d", backend, got, want)
		}
	}
}
