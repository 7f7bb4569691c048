// Package policy enforces Kubernetes NetworkPolicy on one node with nftables.
//
// Compile is a pure function from the cluster's policies, pods and namespaces
// to a Ruleset; Applier brings the kernel from the ruleset it applied last to
// the next one in one atomic transaction that holds only the difference.
//
// # How a packet is judged
//
// All pod traffic of a node is routed: the CNI configuration uses the ptp
// plugin, so two pods of one node meet in the forward hook like any others (see
// package cniconf). kube-proxy translates Service addresses at prerouting and
// masquerades at postrouting, so at the forward hook, at whatever priority, the
// destination is the chosen endpoint and the source still the client.
//
//	prerouting  (dstnat by kube-proxy)
//	forward     egress:  established? accept · saddr is an isolated local pod? → its chain
//	forward     ingress: established? accept · daddr is an isolated local pod? → its chain
//	postrouting (masquerade)
//
// "accept" ends one base chain only, so what egress accepted is judged by
// ingress still. Traffic of the node itself (kubelet probes) leaves through the
// output hook, which has no chain: it is always allowed, as the NetworkPolicy
// documentation demands.
//
// # Order for a new pod
//
// A pod gets its chain when the API server tells its IP: the kubelet writes
// status.podIP once the containers run, then it takes the debounce (100 ms) and
// one nft transaction (some 10 ms). Until then the pod is not isolated, the same
// window as with the other network plugins. A node is not given its CNI
// configuration, and thus no pod, before its first policy transaction; while
// the agent restarts the kernel keeps what was programmed.
//
// Only IPv4 is programmed; IPv6 blocks match nothing.
package policy

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"sigs.k8s.io/knftables"
)

// Table is the nftables table (family ip) that this package owns alone.
const Table = "naru-policy"

// Ruleset is the whole content of Table, comparable by value.
type Ruleset struct {
	Chains map[string]Chain
	Sets   map[string]Set
	// Maps are verdict maps from a pod's address to the chain that judges it.
	Maps map[string]map[string]string
}

// Chain is a base chain when Hook is set.
type Chain struct {
	Hook     knftables.BaseChainHook
	Priority knftables.BaseChainPriority
	Rules    []string
}

// Set holds element keys; the parts of a concatenation are separated by " . ".
type Set struct {
	Type     string
	Comment  string
	Elements map[string]bool
}

func newRuleset() Ruleset {
	return Ruleset{Chains: map[string]Chain{}, Sets: map[string]Set{}, Maps: map[string]map[string]string{}}
}

// nameLength keeps chain names well below the kernel's 256 bytes and readable.
const nameLength = 120

// name joins a prefix, a hash of the identity and a readable tail.
func name(prefix, identity, tail string) string {
	full := prefix + "-" + shortHash(identity)
	if tail != "" {
		full += "-" + tail
	}
	if len(full) > nameLength {
		full = full[:nameLength]
	}
	return full
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
