package policy

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peerPod is a pod that selectors can find.
type peerPod struct {
	addr netip.Addr
	pod  *corev1.Pod
}

// podAddress returns the IPv4 address that stands for the pod alone. Pods on
// the node's network have none (selectors would match the whole node), nor have
// pods that ended (their address may be another's by now).
func podAddress(p *corev1.Pod) (netip.Addr, bool) {
	if p.Spec.HostNetwork || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return netip.Addr{}, false
	}
	for _, ip := range append(slices.Clone(p.Status.PodIPs), corev1.PodIP{IP: p.Status.PodIP}) {
		if addr, err := netip.ParseAddr(ip.IP); err == nil && addr.Is4() {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// addressOwners returns the pods by address. Where two claim one address the
// younger has it: the older one's sandbox is gone, its status is stale.
func addressOwners(pods []*corev1.Pod) map[netip.Addr]*corev1.Pod {
	owners := map[netip.Addr]*corev1.Pod{}
	for _, p := range pods {
		addr, ok := podAddress(p)
		if !ok {
			continue
		}
		if other, claimed := owners[addr]; !claimed || younger(p, other) {
			owners[addr] = p
		}
	}
	return owners
}

func younger(a, b *corev1.Pod) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	}
	return a.Namespace+"/"+a.Name > b.Namespace+"/"+b.Name
}

func indexPods(owners map[netip.Addr]*corev1.Pod) map[string][]peerPod {
	index := map[string][]peerPod{}
	for addr, p := range owners {
		index[p.Namespace] = append(index[p.Namespace], peerPod{addr, p})
	}
	return index
}

// peerMatches returns one nft match for each peer; an empty match is any peer.
// No peers at all means any; peers that cannot match mean no match.
func (c *compiler) peerMatches(dir direction, namespace string, peers []networkingv1.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var matches []string
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if match, ok := blockMatch(dir, peer.IPBlock); ok {
				matches = append(matches, match)
			}
			continue
		}
		if set, ok := c.peerSet(namespace, peer); ok {
			matches = append(matches, dir.peer+" @"+set)
		}
	}
	return matches
}

// blockMatch returns false for what is not an IPv4 block.
func blockMatch(dir direction, block *networkingv1.IPBlock) (string, bool) {
	cidr, err := netip.ParsePrefix(block.CIDR)
	if err != nil || !cidr.Addr().Is4() {
		return "", false
	}
	var parts []string
	if cidr.Bits() > 0 {
		parts = append(parts, dir.peer+" "+cidr.Masked().String())
	}
	var except []netip.Prefix
	for _, e := range block.Except {
		if p, err := netip.ParsePrefix(e); err == nil && p.Addr().Is4() {
			except = append(except, p.Masked())
		}
	}
	if outer := outermost(except); len(outer) > 0 {
		parts = append(parts, dir.peer+" != { "+strings.Join(outer, ", ")+" }")
	}
	return strings.Join(parts, " "), true
}

// outermost drops prefixes inside others, since nft refuses intervals that
// overlap; two prefixes are always nested or disjoint.
func outermost(prefixes []netip.Prefix) []string {
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int {
		if a.Bits() != b.Bits() {
			return a.Bits() - b.Bits()
		}
		return a.Addr().Compare(b.Addr())
	})
	var kept []netip.Prefix
	var out []string
	for _, p := range prefixes {
		if slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Overlaps(p) }) {
			continue
		}
		kept = append(kept, p)
		out = append(out, p.String())
	}
	return out
}

// peerSet returns the set of the addresses that a peer selects; equal peers of
// any policies share one. It returns false for selectors that do not parse.
func (c *compiler) peerSet(namespace string, peer networkingv1.NetworkPolicyPeer) (string, bool) {
	pods := labels.Everything()
	what := "all pods"
	if peer.PodSelector != nil {
		s, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
		if err != nil {
			return "", false
		}
		if pods = s; !s.Empty() {
			what = "pods " + s.String()
		}
	}
	inNamespace := func(ns string) bool { return ns == namespace }
	where := "namespace " + namespace
	if peer.NamespaceSelector != nil {
		s, err := metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
		if err != nil {
			return "", false
		}
		inNamespace = func(ns string) bool {
			set, known := c.namespaces[ns]
			return known && s.Matches(set)
		}
		if where = "namespaces " + s.String(); s.Empty() {
			where = "all namespaces"
		}
	}
	set := name("peers", what+" in "+where, "")
	if _, done := c.out.Sets[set]; !done {
		c.out.Sets[set] = Set{Type: "ipv4_addr", Comment: what + " in " + where, Elements: c.selected(inNamespace, pods)}
	}
	return set, true
}

func (c *compiler) selected(inNamespace func(string) bool, selector labels.Selector) map[string]bool {
	elements := map[string]bool{}
	for ns, pods := range c.pods {
		if !inNamespace(ns) {
			continue
		}
		for _, p := range pods {
			if selector.Matches(labels.Set(p.pod.Labels)) {
				elements[p.addr.String()] = true
			}
		}
	}
	return elements
}
