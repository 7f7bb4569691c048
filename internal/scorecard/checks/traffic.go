package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/scorecard"
)

// traffic are the rows of the category container-management that are about requests.
func traffic(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[balanced]{row: "A13", limit: long, observe: observeBalanced, judge: balanced.judge}.check(lab),
		lab.shares().row(lab, trial[shares]{row: "A14", judge: shares.weighted}),
		inProject[connected]{row: "A15", limit: medium, observe: observeConnected, judge: connected.judge}.check(lab),
	}
}

// balanced is A13: what new pods get of the load.
type balanced struct {
	// One, Three and Back are the replies with one pod, with three and with one again.
	One, Three, Back []reply
	// Grown is how many pods the autoscaler made of one, Busy how many of them answered.
	Grown, Busy int
	Took        time.Duration
}

func observeBalanced(ctx context.Context, p *project, o *balanced) error {
	if err := p.create(ctx, p.appDeployment("app", "1", 1)); err != nil {
		return err
	}
	if err := errors.Join(p.expose(ctx, "app"), p.client(ctx, "client")); err != nil {
		return err
	}
	if err := p.answers(ctx, "client", "http://app/", marked("1")); err != nil {
		return err
	}
	for _, step := range []struct {
		replicas int32
		replies  *[]reply
	}{{1, &o.One}, {3, &o.Three}, {1, &o.Back}} {
		if err := errors.Join(p.scale(ctx, "app", step.replicas), p.rolledOut(ctx, "app", podTime)); err != nil {
			return err
		}
		if err := settle(ctx, 3*time.Second); err != nil {
			return err
		}
		replies, _, err := p.poll(ctx, "http://app/", 45)
		if err != nil {
			return err
		}
		*step.replies = replies
	}
	return o.autoscale(ctx, p)
}

// load makes the application use much more than it asks for, until /tmp/stop is there.
const load = `rm -f /tmp/stop; (while [ ! -e /tmp/stop ]; do timeout 5 wget -qO /dev/null 'http://app/burn?ms=30' || usleep 50000; usleep 80000; done) </dev/null >/dev/null 2>&1 &`

func (o *balanced) autoscale(ctx context.Context, p *project) error {
	scaler := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "app"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](100)},
			}}},
		},
	}
	if _, err := p.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.namespace).Create(ctx, scaler, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the autoscaler: %w", err)
	}
	if _, err := p.sh(ctx, "client", load); err != nil {
		return fmt.Errorf("loading the application: %w", err)
	}
	began := time.Now()
	err := await(ctx, "more pods", 4*time.Minute, func(ctx context.Context) error {
		d, err := p.Kube.AppsV1().Deployments(p.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if o.Grown = int(d.Status.ReadyReplicas); o.Grown < 2 {
			return fmt.Errorf("%d are wanted, %d ready", *d.Spec.Replicas, o.Grown)
		}
		return nil
	})
	o.Took = time.Since(began)
	p.log.Add("autoscale deployment/app --cpu-percent=100 --min=1 --max=3, under load", outcome(err, fmt.Sprintf("%d pods after %s", o.Grown, seconds(o.Took))))
	_, stopErr := p.sh(ctx, "client", "touch /tmp/stop; sleep 1")
	if err := errors.Join(err, stopErr); err != nil {
		return err
	}
	replies, _, err := p.poll(ctx, "http://app/", 45)
	o.Busy = answering(replies)
	return err
}

func (o balanced) judge() []scorecard.Claim {
	even := len(o.Three) >= 40 && answering(o.Three) == 3
	counts := map[string]int{}
	for _, r := range o.Three {
		counts[r.Pod]++
	}
	for _, n := range counts {
		even = even && within(share(o.One, "1"), 100, 100) && n*100 >= 12*len(o.Three)
	}
	return []scorecard.Claim{
		claim(2, text("Pods that are added by hand get their share of the load by themselves", "수동으로 늘린 파드에 부하가 자동으로 분산된다"),
			even && answering(o.One) == 1, "1 pod: %s; 3 pods: %s", tally(o.One, 0), tally(o.Three, 0)),
		claim(1, text("Pods that are taken away get none", "줄인 파드에는 부하가 가지 않는다"), len(o.Back) >= 40 && answering(o.Back) == 1, "%s", tally(o.Back, 45-len(o.Back))),
		claim(2, text("Under load pods are added automatically, and get their share", "부하가 걸리면 파드가 자동으로 늘고 부하가 분산된다"),
			o.Grown >= 2 && o.Busy >= 2, "%d pods after %s, %d of them answer", o.Grown, seconds(o.Took), o.Busy),
	}
}

// weighted is A14.
func (o shares) weighted() []scorecard.Claim {
	few, even := share(o.Few, "canary"), share(o.Even, "canary")
	return []scorecard.Claim{
		claim(2, text("The share of a version follows the number of its pods", "버전별 부하 비중이 파드 수를 따른다"),
			within(few, 8, 42) && within(even, 32, 68) && share(o.Promoted, "canary") == 100, "1 of 4 pods: %.0f %%, 2 of 4: %.0f %%, all: %.0f %%", few, even, share(o.Promoted, "canary")),
		missing(2, text("A share that is set by weight, whatever the number of pods", "파드 수와 무관하게 가중치로 비중을 설정")),
	}
}

// connected is A15: ways between containers.
type connected struct {
	Local, Pod, Service string
	Nodes               []string
}

func observeConnected(ctx context.Context, p *project, o *connected) error {
	server := p.shellPod("pair", "mkdir -p /tmp/www && echo from-pair >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www")
	second := shellContainer("second", p.Shell, sleeper)
	server.Spec = podSpec(nobody, server.Spec.Containers[0], second)
	if err := p.start(ctx, server); err != nil {
		return err
	}
	local := func(ctx context.Context) (err error) {
		o.Local, err = p.Exec(ctx, Command{Namespace: p.namespace, Pod: "pair", Container: "second", Run: []string{"sh", "-c", "timeout 3 wget -qO- http://127.0.0.1:8080/"}})
		return err
	}
	err := await(ctx, "an answer within the pod", 20*time.Second, local)
	p.log.Add("exec pair -c second -- wget -qO- http://127.0.0.1:8080/", outcome(err, strings.TrimSpace(o.Local)))
	if err != nil {
		return err
	}
	client := p.shellPod("client", sleeper)
	nodes, err := p.freeNodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if node.Name != server.Spec.NodeName {
			onNode(&client.Spec, node.Name)
		}
	}
	if err := p.start(ctx, client); err != nil {
		return err
	}
	o.Nodes = []string{server.Spec.NodeName, client.Spec.NodeName}
	if err := p.expose(ctx, "pair"); err != nil {
		return err
	}
	keep := func(into *string) func(string) bool {
		return func(answer string) bool { *into = answer; return answer == "from-pair" }
	}
	err = p.answers(ctx, "client", "http://"+server.Status.PodIP+":8080/", keep(&o.Pod))
	return errors.Join(err, p.answers(ctx, "client", "http://pair."+p.namespace+"/", keep(&o.Service)))
}

func (o connected) judge() []scorecard.Claim {
	apart := len(o.Nodes) == 2 && o.Nodes[0] != o.Nodes[1]
	return []scorecard.Claim{
		claim(1, text("Containers of one pod reach each other at localhost", "한 파드의 컨테이너들이 localhost로 통신한다"), strings.TrimSpace(o.Local) == "from-pair", "%q", strings.TrimSpace(o.Local)),
		claim(1, text("Pods on two nodes reach each other at their addresses", "서로 다른 노드의 파드들이 파드 주소로 통신한다"), o.Pod == "from-pair" && apart, "from %s", strings.Join(o.Nodes, " to ")),
		claim(1, text("A pod reaches a Service by its name", "파드가 서비스 이름으로 통신한다"), o.Service == "from-pair", "%q", o.Service),
	}
}
