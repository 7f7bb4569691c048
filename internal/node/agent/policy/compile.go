package policy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/knftables"
)

// OwnNode says whether egress policies judge a pod's traffic to its own node.
type OwnNode string

const (
	// OwnNodeAllow follows the NetworkPolicy documentation: traffic to the node
	// a pod runs on is always allowed.
	OwnNodeAllow OwnNode = "allow"
	// OwnNodePolicy applies egress policies to it too. Hosting clusters use it:
	// the pods there are other people's nodes.
	OwnNodePolicy OwnNode = "policy"
)

// Input is everything a ruleset depends on. Compile only reads it.
type Input struct {
	// Node is the name of the node that the rules are for.
	Node       string
	OwnNode    OwnNode
	Policies   []*networkingv1.NetworkPolicy
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
}

// direction holds the words that differ between the two halves of a policy.
type direction struct {
	kind networkingv1.PolicyType
	// base is the base chain, pods the verdict map.
	base, pods string
	// own is the address of the judged pod, peer that of the other side.
	own, peer string
}

var (
	egress  = direction{networkingv1.PolicyTypeEgress, "egress", "egress-pods", "ip saddr", "ip daddr"}    //nolint:gochecknoglobals // constant
	ingress = direction{networkingv1.PolicyTypeIngress, "ingress", "ingress-pods", "ip daddr", "ip saddr"} //nolint:gochecknoglobals // constant
)

// Compile returns the ruleset that enforces the policies on the pods of one
// node. It is deterministic and independent of the order of its input.
func Compile(in Input) Ruleset {
	owners := addressOwners(in.Pods)
	c := &compiler{out: newRuleset(), pods: indexPods(owners), namespaces: map[string]labels.Set{}}
	for _, ns := range in.Namespaces {
		c.namespaces[ns.Name] = ns.Labels
	}
	c.baseChains(in.OwnNode)

	policies := slices.Clone(in.Policies)
	slices.SortFunc(policies, func(a, b *networkingv1.NetworkPolicy) int { return strings.Compare(key(a), key(b)) })

	for _, dir := range []direction{egress, ingress} {
		for addr, pod := range owners {
			if pod.Spec.NodeName != in.Node {
				continue
			}
			if group := selecting(policies, pod, dir); len(group) > 0 {
				c.out.Maps[dir.pods][addr.String()] = "goto " + c.groupChain(dir, group)
				c.out.Sets[itself].Elements[addr.String()+" . "+addr.String()] = true
			}
		}
	}
	return c.out
}

type compiler struct {
	out        Ruleset
	pods       map[string][]peerPod
	namespaces map[string]labels.Set
}

// itself is the set of isolated pods' addresses, each paired with itself: a pod
// that reaches itself through a Service cannot be blocked.
const itself = "itself"

func (c *compiler) baseChains(own OwnNode) {
	filter := func(hook knftables.BaseChainHook, priority knftables.BaseChainPriority, rules ...string) Chain {
		return Chain{Hook: hook, Priority: priority, Rules: rules}
	}
	const established = "ct state established,related accept"
	const toItself = "ip saddr . ip daddr @" + itself + " accept"

	// A pod may only send from its own address: each has a host route through
	// its own veth, so the reverse path is exact. Without this a pod would pass
	// another pod's ingress policy by borrowing a peer's address.
	c.out.Chains["spoofed"] = filter(knftables.PreroutingHook, knftables.ManglePriority,
		`iifname "veth*" fib saddr . iif oif missing counter drop`)
	judge := []string{established, toItself, egress.own + " vmap @" + egress.pods}
	c.out.Chains[egress.base] = filter(knftables.ForwardHook, knftables.FilterPriority, judge...)
	c.out.Chains[ingress.base] = filter(knftables.ForwardHook, knftables.FilterPriority+"+1",
		established, toItself, ingress.own+" vmap @"+ingress.pods)
	if own == OwnNodePolicy {
		c.out.Chains["egress-own-node"] = filter(knftables.InputHook, knftables.FilterPriority, judge...)
	}
	c.out.Sets[itself] = Set{Type: "ipv4_addr . ipv4_addr", Elements: map[string]bool{}}
	c.out.Maps[egress.pods] = map[string]string{}
	c.out.Maps[ingress.pods] = map[string]string{}
}

// groupChain returns the chain shared by all pods that exactly these policies
// isolate: pods that come and go change map elements, not chains.
func (c *compiler) groupChain(dir direction, group []*networkingv1.NetworkPolicy) string {
	keys := make([]string, 0, len(group))
	for _, p := range group {
		keys = append(keys, key(p))
	}
	chain := name(dir.base+"-pods", strings.Join(keys, ","), "")
	if _, done := c.out.Chains[chain]; done {
		return chain
	}
	var rules []string
	for _, p := range group {
		if policyChain, any := c.policyChain(dir, p); any {
			rules = append(rules, "jump "+policyChain)
		}
	}
	c.out.Chains[chain] = Chain{Rules: append(rules, "counter drop")}
	return chain
}

// policyChain returns the chain with one policy's accepting rules, and false
// when it has none: a policy that only denies.
func (c *compiler) policyChain(dir direction, p *networkingv1.NetworkPolicy) (string, bool) {
	chain := name(dir.base, key(p), key(p))
	if _, done := c.out.Chains[chain]; done {
		return chain, true
	}
	var rules []string
	for _, r := range rulesOf(p, dir) {
		rules = append(rules, c.rule(dir, p.Namespace, r)...)
	}
	if len(rules) == 0 {
		return "", false
	}
	c.out.Chains[chain] = Chain{Rules: rules}
	return chain, true
}

// policyRule is an ingress or an egress rule.
type policyRule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rulesOf(p *networkingv1.NetworkPolicy, dir direction) []policyRule {
	var rules []policyRule
	if dir.kind == networkingv1.PolicyTypeIngress {
		for _, r := range p.Spec.Ingress {
			rules = append(rules, policyRule{r.From, r.Ports})
		}
		return rules
	}
	for _, r := range p.Spec.Egress {
		rules = append(rules, policyRule{r.To, r.Ports})
	}
	return rules
}

func (c *compiler) rule(dir direction, namespace string, r policyRule) []string {
	var out []string
	peers := c.peerMatches(dir, namespace, r.peers)
	ports := c.portMatches(r.ports)
	for _, peer := range peers {
		for _, port := range ports {
			out = append(out, strings.Join(slices.DeleteFunc([]string{peer, port, "accept"}, isEmpty), " "))
		}
	}
	return out
}

func isEmpty(s string) bool { return s == "" }

func key(p *networkingv1.NetworkPolicy) string { return p.Namespace + "/" + p.Name }

func selecting(policies []*networkingv1.NetworkPolicy, pod *corev1.Pod, dir direction) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	for _, p := range policies {
		if p.Namespace != pod.Namespace || !appliesTo(p, dir.kind) {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, p)
		}
	}
	return out
}

// appliesTo repeats the API server's defaulting for policies without types.
func appliesTo(p *networkingv1.NetworkPolicy, kind networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, kind)
	}
	return kind == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
}
