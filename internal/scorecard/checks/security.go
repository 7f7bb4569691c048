package checks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/scorecard"
)

func security(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[ways]{row: "A37", limit: medium, judge: ways.projects, observe: func(ctx context.Context, p *project, o *ways) error {
			return o.betweenProjects(ctx, lab, p)
		}}.check(lab),
		inProject[ways]{row: "A38", limit: medium, observe: betweenGroups, judge: ways.groups}.check(lab),
		inProject[ways]{row: "A39", limit: medium, observe: toOne, judge: ways.one}.check(lab),
		inProject[ways]{row: "A40", limit: medium, observe: fromOutside, judge: ways.inbound}.check(lab),
		inProject[ways]{row: "A41", limit: medium, observe: toOutside, judge: ways.outbound}.check(lab),
	}
}

// ways are what was seen of ways between containers, by name: open and closed ones, each before and after a policy.
// What was not tried is in neither.
type ways struct{ Open, Closed []string }

func (o ways) open(names ...string) bool   { return len(names) > 0 && containsAll(o.Open, names) }
func (o ways) closed(names ...string) bool { return len(names) > 0 && containsAll(o.Closed, names) }

func containsAll(all, names []string) bool {
	for _, name := range names {
		found := false
		for _, other := range all {
			found = found || other == name
		}
		if !found {
			return false
		}
	}
	return true
}

func (o ways) String() string {
	return "open: " + strings.Join(o.Open, ", ") + "; closed: " + strings.Join(o.Closed, ", ")
}

// opens waits until a way is open, shuts until it is closed.
func (o *ways) opens(ctx context.Context, p *project, name, from, url string) error {
	err := p.answers(ctx, from, url, func(answer string) bool { return answer == page })
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.Open = append(o.Open, name)
	return nil
}

func (o *ways) shuts(ctx context.Context, p *project, name, from, url string) error {
	if err := p.silent(ctx, from, url); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.Closed = append(o.Closed, name)
	return nil
}

// page is what the servers of these rows serve.
const page = "page"

const pageScript = `mkdir -p /tmp/www/cgi-bin && echo page >/tmp/www/index.html
printf '#!/bin/sh\necho Content-type: text/plain\necho\necho $REMOTE_ADDR\n' >/tmp/www/cgi-bin/who && chmod +x /tmp/www/cgi-bin/who
httpd -p %d -h /tmp/www && exec httpd -f -p %d -h /tmp/www`

// server is a pod that serves a page at two ports. Who asks is told at /cgi-bin/who.
func (p *project) server(name string, first, second int32) *corev1.Pod {
	pod := p.shellPod(name, fmt.Sprintf(pageScript, second, first))
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-x", "/tmp/www/cgi-bin/who"}}}, PeriodSeconds: 1, TimeoutSeconds: 5,
	}
	return pod
}

func url(pod *corev1.Pod, port int32) string {
	return fmt.Sprintf("http://%s:%d/", pod.Status.PodIP, port)
}

// policy is a NetworkPolicy for the pods with these labels.
func (p *project) policy(ctx context.Context, name string, selects map[string]string, edit func(*networkingv1.NetworkPolicySpec)) error {
	policy := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: selects}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}},
	}
	edit(&policy.Spec)
	policies := p.Kube.NetworkingV1().NetworkPolicies(p.namespace)
	_, err := policies.Create(ctx, policy, metav1.CreateOptions{})
	p.log.Add(fmt.Sprintf("create networkpolicy %s/%s", p.namespace, name), outcome(err, fmt.Sprintf("%v %v", policy.Spec.Ingress, policy.Spec.Egress)))
	if err != nil {
		return fmt.Errorf("creating policy %s: %w", name, err)
	}
	return nil
}

func tcp(port int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(intstr.FromInt32(port))}
}

func fromPods(labels map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}
}

// steps tries one after the other until one fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// betweenProjects is A37.
func (o *ways) betweenProjects(ctx context.Context, lab *Lab, p *project) error {
	other, err := lab.project(ctx, "A37", p.log)
	if err != nil {
		return err
	}
	defer other.leave()
	server := p.server("server", 8080, 8081)
	to := func() string { return url(server, 8080) }
	return steps(
		func() error { return p.start(ctx, server, p.shellPod("mine", sleeper)) },
		func() error { return other.client(ctx, "theirs") },
		func() error { return o.opens(ctx, other, "before", "theirs", to()) },
		func() error {
			return p.policy(ctx, "own-only", nil, func(s *networkingv1.NetworkPolicySpec) {
				s.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}
			})
		},
		func() error { return o.shuts(ctx, other, "other project", "theirs", to()) },
		func() error { return o.opens(ctx, p, "own project", "mine", to()) },
		func() error {
			return p.policy(ctx, "friends", nil, func(s *networkingv1.NetworkPolicySpec) {
				s.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: other.namespace}}}}}}
			})
		},
		func() error { return o.opens(ctx, other, "let in", "theirs", to()) },
	)
}

func (o ways) projects() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A project is closed to another one, and open within itself", "프로젝트는 다른 프로젝트에 닫히고 내부에서는 열려 있다"), o.open("before", "own project") && o.closed("other project"), "%v", o),
		claim(1, text("Another project is let in by name", "특정 프로젝트를 이름으로 허용한다"), o.closed("other project") && o.open("let in"), "%v", o),
	}
}

// betweenGroups is A38.
func betweenGroups(ctx context.Context, p *project, o *ways) error {
	server := p.server("server", 8080, 8081)
	friend, stranger := p.shellPod("friend", sleeper), p.shellPod("stranger", sleeper)
	server.Labels["group"], friend.Labels["group"], stranger.Labels["group"] = "back", "front", "other"
	to := func() string { return url(server, 8080) }
	return steps(
		func() error { return p.start(ctx, server, friend, stranger) },
		func() error { return o.opens(ctx, p, "before", "stranger", to()) },
		func() error {
			return p.policy(ctx, "groups", map[string]string{"group": "back"}, func(s *networkingv1.NetworkPolicySpec) {
				s.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{fromPods(map[string]string{"group": "front"})}}}
			})
		},
		func() error { return o.shuts(ctx, p, "other group", "stranger", to()) },
		func() error { return o.opens(ctx, p, "let in", "friend", to()) },
	)
}

func (o ways) groups() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A group of containers is closed to containers outside of the groups that are let in", "컨테이너 그룹은 허용되지 않은 그룹에 닫혀 있다"), o.open("before") && o.closed("other group"), "%v", o),
		claim(1, text("It is open to the group that is let in", "허용된 그룹에는 열려 있다"), o.closed("other group") && o.open("let in"), "%v", o),
	}
}

// toOne is A39.
func toOne(ctx context.Context, p *project, o *ways) error {
	chosen, neighbour := p.server("chosen", 8080, 8081), p.server("neighbour", 8080, 8081)
	return steps(
		func() error { return p.start(ctx, chosen, neighbour, p.shellPod("client", sleeper)) },
		func() error { return o.opens(ctx, p, "before", "client", url(chosen, 8081)) },
		func() error {
			return p.policy(ctx, "one", labels("chosen"), func(s *networkingv1.NetworkPolicySpec) {
				s.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{tcp(8080)}}}
			})
		},
		func() error { return o.shuts(ctx, p, "other port", "client", url(chosen, 8081)) },
		func() error { return o.opens(ctx, p, "port", "client", url(chosen, 8080)) },
		func() error { return o.opens(ctx, p, "neighbour", "client", url(neighbour, 8081)) },
	)
}

func (o ways) one() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("One container is closed but for a port; its neighbour is as before", "컨테이너 하나만 특정 포트 외에 닫히고, 이웃 컨테이너는 그대로이다"), o.open("before", "neighbour") && o.closed("other port"), "%v", o),
		claim(1, text("The port is open", "허용된 포트는 열려 있다"), o.closed("other port") && o.open("port"), "%v", o),
	}
}

// twoNodes picks two nodes: one for who is guarded, one for the outside.
func (p *project) twoNodes(ctx context.Context) (inside, outside string, err error) {
	nodes, err := p.freeNodes(ctx)
	if err == nil && len(nodes) < 2 {
		err = errors.New("there are fewer than two nodes: a node's own traffic is never limited, so nothing can be tried")
	}
	if err != nil {
		return "", "", err
	}
	return nodes[0].Name, nodes[1].Name, nil
}

var ipv4 = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)

// fromOutside is A40: a pod in a node's own network stands for an address outside of the cluster's.
func fromOutside(ctx context.Context, p *project, o *ways) error {
	inside, outside, err := p.twoNodes(ctx)
	if err != nil {
		return err
	}
	server, known, unknown := p.server("server", 8080, 8081), p.shellPod("known", sleeper), p.shellPod("unknown", sleeper)
	onNode(&server.Spec, inside)
	onNode(&known.Spec, outside)
	onNode(&unknown.Spec, outside)
	known.Spec.HostNetwork = true
	address := ""
	return steps(
		func() error { return p.start(ctx, server, known, unknown) },
		func() error { return o.opens(ctx, p, "before", "unknown", url(server, 8080)) },
		func() error { return o.opens(ctx, p, "before, other port", "known", url(server, 8081)) },
		func() (err error) {
			address, err = p.ask(ctx, "known", url(server, 8080)+"cgi-bin/who")
			address = ipv4.FindString(address) // without the port, and the prefix of an IPv4 address in IPv6
			p.log.Add("the address that the server sees of known", outcome(err, address))
			return err
		},
		func() error {
			return p.policy(ctx, "inbound", labels("server"), func(s *networkingv1.NetworkPolicySpec) {
				s.Ingress = []networkingv1.NetworkPolicyIngressRule{{
					From:  []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: address + "/32"}}},
					Ports: []networkingv1.NetworkPolicyPort{tcp(8080)},
				}}
			})
		},
		func() error { return o.shuts(ctx, p, "unknown address", "unknown", url(server, 8080)) },
		func() error { return o.shuts(ctx, p, "other port", "known", url(server, 8081)) },
		func() error { return o.opens(ctx, p, "known address", "known", url(server, 8080)) },
	)
}

func (o ways) inbound() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("Only a given address gets in", "지정한 주소만 들어올 수 있다"), o.open("before", "known address") && o.closed("unknown address"), "%v", o),
		claim(1, text("It gets in at a given port only", "지정한 포트로만 들어올 수 있다"), o.open("before, other port", "known address") && o.closed("other port"), "%v", o),
	}
}

// The ports of the server outside: those of a node, which nothing else uses.
const outsideFirst, outsideSecond = 18080, 18081

// toOutside is A41.
func toOutside(ctx context.Context, p *project, o *ways) error {
	inside, outside, err := p.twoNodes(ctx)
	if err != nil {
		return err
	}
	server, other, client := p.server("server", outsideFirst, outsideSecond), p.server("other", 8080, 8081), p.shellPod("client", sleeper)
	server.Spec.HostNetwork = true
	onNode(&server.Spec, outside)
	onNode(&other.Spec, outside)
	onNode(&client.Spec, inside)
	return steps(
		func() error { return p.start(ctx, server, other, client) },
		func() error { return o.opens(ctx, p, "before", "client", url(other, 8080)) },
		func() error { return o.opens(ctx, p, "before, other port", "client", url(server, outsideSecond)) },
		func() error {
			return p.policy(ctx, "outbound", labels("client"), func(s *networkingv1.NetworkPolicySpec) {
				s.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
				s.Egress = []networkingv1.NetworkPolicyEgressRule{{
					To:    []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: server.Status.PodIP + "/32"}}},
					Ports: []networkingv1.NetworkPolicyPort{tcp(outsideFirst)},
				}}
			})
		},
		func() error { return o.shuts(ctx, p, "other address", "client", url(other, 8080)) },
		func() error { return o.shuts(ctx, p, "other port", "client", url(server, outsideSecond)) },
		func() error { return o.opens(ctx, p, "address", "client", url(server, outsideFirst)) },
	)
}

func (o ways) outbound() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A container gets out to a given address only", "컨테이너는 지정한 주소로만 나갈 수 있다"), o.open("before", "address") && o.closed("other address"), "%v", o),
		claim(1, text("It gets out to a given port only", "지정한 포트로만 나갈 수 있다"), o.open("before, other port", "address") && o.closed("other port"), "%v", o),
	}
}
