package checks

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

func routes(lab *Lab) []scorecard.Check {
	return []scorecard.Check{inProject[routed]{row: "A16", limit: medium, observe: observeRouted, judge: routed.judge}.check(lab)}
}

// routed is A16: a way from outside of the pods' network to an application.
type routed struct {
	// Addresses is at how many machines the application was asked, First and Second what all of them answered before the
	// route was changed and after.
	Addresses     int
	First, Second string
	// Closed tells that it was answered nowhere after the route's deletion.
	Closed bool
}

func observeRouted(ctx context.Context, p *project, o *routed) error {
	for _, name := range []string{"one", "two"} {
		if err := p.create(ctx, p.appDeployment(name, name, 1)); err != nil {
			return err
		}
	}
	outside := p.shellPod("outside", sleeper) // in its machine's own network
	outside.Spec.HostNetwork = true
	if err := p.start(ctx, outside); err != nil {
		return err
	}
	route := service(p.namespace, "route", labels("one"))
	route.Spec.Type = corev1.ServiceTypeNodePort
	made, err := p.Kube.CoreV1().Services(p.namespace).Create(ctx, route, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating service route: %w", err)
	}
	urls, err := p.entrances(ctx, made.Spec.Ports[0].NodePort)
	if err != nil {
		return err
	}
	o.Addresses = len(urls)
	p.log.Add("expose deployment/one --name=route --type=NodePort", fmt.Sprintf("%v", urls))
	ask := func(into *string, marker string) error {
		for _, url := range urls {
			if err := p.answers(ctx, outside.Name, url, marked(marker)); err != nil {
				return err
			}
		}
		*into = marker
		return nil
	}
	return steps(
		func() error { return ask(&o.First, "one") },
		func() error { return p.point(ctx, "route", "two") },
		func() error { return ask(&o.Second, "two") },
		func() error {
			return p.Kube.CoreV1().Services(p.namespace).Delete(ctx, "route", metav1.DeleteOptions{})
		},
		func() error {
			for _, url := range urls {
				if err := p.silent(ctx, outside.Name, url); err != nil {
					return err
				}
			}
			o.Closed = true
			return nil
		},
	)
}

// entrances are the addresses of a port at every machine that takes pods.
func (p *project) entrances(ctx context.Context, port int32) ([]string, error) {
	nodes, err := p.freeNodes(ctx)
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, node := range nodes {
		url, err := p.entrance(ctx, node.Name, port)
		if err != nil {
			return nil, err
		}
		urls = append(urls, url)
	}
	return urls, nil
}

// entrance is the address of a port at a machine.
func (p *project) entrance(ctx context.Context, machine string, port int32) (string, error) {
	node, err := p.Kube.CoreV1().Nodes().Get(ctx, machine, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading node %s: %w", machine, err)
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP && port != 0 {
			return fmt.Sprintf("http://%s:%d/", address.Address, port), nil
		}
	}
	return "", fmt.Errorf("%s has no address, or the service no port: %d", machine, port)
}

func (o routed) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("A port at every machine leads to an application; it is added, led to another one, and deleted", "모든 머신의 포트로 애플리케이션에 접근하며, 경로를 등록·변경·삭제한다"),
			o.Addresses > 0 && o.First == "one" && o.Second == "two" && o.Closed, "asked at %d machine(s): %q, then %q, then closed: %v", o.Addresses, o.First, o.Second, o.Closed),
		missing(1.5, text("Routes by host name and path", "호스트 이름과 경로에 따른 라우트")),
	}
}
