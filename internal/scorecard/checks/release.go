package checks

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

// blueGreen is A06: two versions side by side, and a Service that is turned from one to the other and back.
type blueGreen struct {
	// Served is what a client saw all the time, Green and Blue what it saw after each turn.
	Served      seen
	Green, Blue []reply
}

func observeBlueGreen(ctx context.Context, p *project, o *blueGreen) error {
	asking, err := p.underRequests(ctx, p.appDeployment("blue", "blue", 1))
	if err != nil {
		return err
	}
	if err := p.create(ctx, p.appDeployment("green", "green", 1)); err != nil {
		return err
	}
	turn := func(to string) ([]reply, error) {
		if err := p.point(ctx, "blue", to); err != nil {
			return nil, err
		}
		// A proxy needs a moment to see it.
		if err := settle(ctx, 3*time.Second); err != nil {
			return nil, err
		}
		replies, _, err := p.poll(ctx, "http://blue/", 10)
		return replies, err
	}
	if o.Green, err = turn("green"); err != nil {
		return err
	}
	if o.Blue, err = turn("blue"); err != nil {
		return err
	}
	o.Served, err = asking.stop(ctx)
	return err
}

// point turns a Service to the pods of another application.
func (p *project) point(ctx context.Context, service, to string) error {
	services := p.Kube.CoreV1().Services(p.namespace)
	found, err := services.Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading service %s: %w", service, err)
	}
	found.Spec.Selector = labels(to)
	_, err = services.Update(ctx, found, metav1.UpdateOptions{})
	p.log.Add("set selector service/"+service+" app="+to, outcome(err))
	return err
}

func (o blueGreen) judge() []scorecard.Claim {
	turned := len(o.Green) == 10 && count(o.Green, "green") == 10 && len(o.Blue) == 10 && count(o.Blue, "blue") == 10
	return []scorecard.Claim{
		claim(0.5, text("A Service is turned to the other version and back by hand, and no request fails", "서비스를 수동으로 다른 버전으로 전환하고 되돌려도 실패하는 요청이 없다"),
			turned && o.Served.Total() >= fewestRequests && o.Served.Failed == 0, "%v", o.Served),
		missing(0.5, text("A rollout that tests the new version, turns to it and goes back by itself", "새 버전을 시험하고 스스로 전환·복귀하는 배포")),
	}
}

// shares are A07 and A14: how the requests to one Service are shared by two versions.
type shares struct {
	// Few and Even are the replies with three pods of the one version and one of the other, and with two of each.
	Few, Even []reply
	// Promoted are those after the other version alone was left.
	Promoted []reply
	Failed   int
}

// shares is the experiment of A07 and A14.
func (l *Lab) shares() *experiment[shares] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared == nil {
		l.shared = &experiment[shares]{name: "A14", limit: medium, observe: observeShares}
	}
	return l.shared
}

// sharePolls is how many requests a share is measured with: one in four is within the bounds below, by chance, in
// all but one of a thousand runs.
const sharePolls = 80

// observeShares runs two versions behind one Service, which both have the label of.
func observeShares(ctx context.Context, p *project, o *shares) error {
	for _, version := range []struct {
		name     string
		replicas int32
	}{{"stable", 3}, {"canary", 1}} {
		app := p.appDeployment(version.name, version.name, version.replicas)
		app.Spec.Template.Labels["service"] = "app"
		if err := p.create(ctx, app); err != nil {
			return err
		}
	}
	_, err := p.Kube.CoreV1().Services(p.namespace).Create(ctx, service(p.namespace, "app", map[string]string{"service": "app"}), metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating service app: %w", err)
	}
	if err := p.client(ctx, "client"); err != nil {
		return err
	}
	if err := p.answers(ctx, "client", "http://app/", marked("canary")); err != nil {
		return err
	}
	measure := func(replies *[]reply, n int) error {
		got, failed, err := p.poll(ctx, "http://app/", n)
		*replies, o.Failed = got, o.Failed+failed
		return err
	}
	if err := measure(&o.Few, sharePolls); err != nil {
		return err
	}
	if err := p.resize(ctx, 2, 2); err != nil {
		return err
	}
	if err := measure(&o.Even, sharePolls); err != nil {
		return err
	}
	if err := p.resize(ctx, 0, 2); err != nil {
		return err
	}
	return measure(&o.Promoted, 20)
}

func (p *project) resize(ctx context.Context, stable, canary int32) error {
	if err := errors.Join(p.scale(ctx, "canary", canary), p.rolledOut(ctx, "canary", podTime)); err != nil {
		return err
	}
	if err := errors.Join(p.scale(ctx, "stable", stable), p.rolledOut(ctx, "stable", podTime)); err != nil {
		return err
	}
	return settle(ctx, 4*time.Second) // those that stop still serve for a moment
}

// share is the part of the replies that a version has given, in percent.
func share(replies []reply, marker string) float64 {
	if len(replies) == 0 {
		return 0
	}
	return 100 * float64(count(replies, marker)) / float64(len(replies))
}

func within(value, low, high float64) bool { return value >= low && value <= high }

// canary is A07.
func (o shares) canary() []scorecard.Claim {
	few := share(o.Few, "canary")
	return []scorecard.Claim{
		claim(0.5, text("A canary gets a part of the requests, then all of them, by hand, and no request fails", "카나리가 요청의 일부를, 이후 전부를 수동으로 받고 실패하는 요청이 없다"),
			within(few, 5, 45) && len(o.Promoted) > 0 && share(o.Promoted, "canary") == 100 && o.Failed == 0, "%.0f %% with one pod in four, %.0f %% at last; %d requests failed", few, share(o.Promoted, "canary"), o.Failed),
		missing(0.5, text("A rollout that judges the canary and promotes or ends it by itself", "카나리를 평가하여 스스로 승격하거나 종료하는 배포")),
	}
}
