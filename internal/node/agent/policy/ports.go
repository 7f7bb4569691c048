package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// portRange includes both ends.
type portRange struct{ first, last int32 }

// portMatches returns the nft matches whose union is the ports; an empty match
// is any port of any protocol.
func (c *compiler) portMatches(ports []networkingv1.NetworkPolicyPort) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var matches []string
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		matches = append(matches, c.protocolMatches(protocol, ports)...)
	}
	return matches
}

func (c *compiler) protocolMatches(protocol corev1.Protocol, ports []networkingv1.NetworkPolicyPort) []string {
	word := strings.ToLower(string(protocol))
	var ranges []portRange
	var named []string
	for _, p := range ports {
		if protocolOf(p.Protocol) != protocol {
			continue
		}
		switch {
		case p.Port == nil:
			return []string{"meta l4proto " + word}
		case p.Port.Type == intstr.String:
			named = append(named, "ip daddr . "+word+" dport @"+c.namedPortSet(protocol, p.Port.StrVal))
		case p.EndPort != nil:
			ranges = append(ranges, portRange{p.Port.IntVal, *p.EndPort})
		default:
			ranges = append(ranges, portRange{p.Port.IntVal, p.Port.IntVal})
		}
	}
	var matches []string
	if len(ranges) > 0 {
		matches = append(matches, word+" dport "+portExpression(ranges))
	}
	slices.Sort(named)
	return append(matches, slices.Compact(named)...)
}

func protocolOf(p *corev1.Protocol) corev1.Protocol {
	if p == nil {
		return corev1.ProtocolTCP
	}
	return *p
}

// portExpression merges ranges, since nft refuses intervals that overlap.
func portExpression(ranges []portRange) string {
	slices.SortFunc(ranges, func(a, b portRange) int { return int(a.first - b.first) })
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		if last := &merged[len(merged)-1]; r.first <= last.last+1 {
			last.last = max(last.last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	var words []string
	for _, r := range merged {
		if r.first == r.last {
			words = append(words, strconv.Itoa(int(r.first)))
			continue
		}
		words = append(words, fmt.Sprintf("%d-%d", r.first, r.last))
	}
	if len(words) == 1 {
		return words[0]
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

// namedPortSet returns the set of address and port of every pod with a
// container port of that name. The destination of a packet decides what a name
// means, for ingress and egress alike, so both share the set: an ingress chain
// only sees packets to the pods it isolates.
func (c *compiler) namedPortSet(protocol corev1.Protocol, port string) string {
	set := "ports-" + strings.ToLower(string(protocol)) + "-" + port
	if _, done := c.out.Sets[set]; done {
		return set
	}
	elements := map[string]bool{}
	for _, pods := range c.pods {
		for _, p := range pods {
			for _, number := range containerPorts(p.pod, protocol, port) {
				elements[fmt.Sprintf("%s . %d", p.addr, number)] = true
			}
		}
	}
	c.out.Sets[set] = Set{Type: "ipv4_addr . inet_service", Elements: elements}
	return set
}

func containerPorts(pod *corev1.Pod, protocol corev1.Protocol, port string) []int32 {
	containers := slices.Clone(pod.Spec.Containers)
	for _, init := range pod.Spec.InitContainers {
		if init.RestartPolicy != nil && *init.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, init)
		}
	}
	var numbers []int32
	for _, c := range containers {
		for _, p := range c.Ports {
			declared := p.Protocol
			if p.Name == port && protocolOf(defaulted(declared)) == protocol {
				numbers = append(numbers, p.ContainerPort)
			}
		}
	}
	return numbers
}

func defaulted(p corev1.Protocol) *corev1.Protocol {
	if p == "" {
		return nil
	}
	return &p
}
