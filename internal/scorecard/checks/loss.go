package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/scorecard"
)

// machineLoss is one experiment for three rows: in the shared cluster a kubelet is killed, and then the machine that the
// cluster's operations run on, while an application and DNS are asked without pause from another machine.
type machineLoss struct {
	// Kubelet tells that another process took the killed one's place and the node stayed.
	Kubelet bool
	// Victim is the machine, Operations the pods of kube-system that ran on it.
	Victim     string
	Operations []string
	// Served is what the application's client saw.
	Served seen
	// Entered is what a client outside of the pods' network saw that asked at a port of the victim, and where that did not
	// answer at the same port of the other machine.
	Entered seen
	// Strength tells that the application had all its pods again, on machines that live, after Full.
	Strength bool
	Full     time.Duration
	// Names and Unresolved count look-ups of a name.
	Names, Unresolved int
	// Metrics tells that the metrics API answered for all nodes again.
	Metrics bool
	// Replaced tells that as many machines as before were Ready, without the victim, after Repair; Runs that a pod ran on
	// the new one.
	Replaced, Runs bool
	Repair         time.Duration
}

// lossOf makes the experiment in a project.
func lossOf(platform *Platform) func(ctx context.Context, p *project, o *machineLoss) error {
	return func(ctx context.Context, p *project, o *machineLoss) error { return o.experiment(ctx, platform, p) }
}

func (o *machineLoss) experiment(ctx context.Context, platform *Platform, p *project) error {
	nodes, err := p.freeNodes(ctx)
	if err != nil {
		return err
	}
	if len(nodes) < mainNodes {
		return fmt.Errorf("%d node(s) take pods: with fewer than %d there is nowhere to go", len(nodes), mainNodes)
	}
	if err := o.choose(ctx, p, nodes); err != nil {
		return err
	}
	if err := o.killKubelet(ctx, platform, p); err != nil {
		return err
	}
	survivor := nodes[0].Name
	if survivor == o.Victim {
		survivor = nodes[1].Name
	}
	if err := p.spread(ctx, survivor); err != nil {
		return err
	}
	asking, err := p.request(ctx, "client", "http://app/")
	if err != nil {
		return err
	}
	entering, err := p.enter(ctx, survivor, o.Victim)
	if err != nil {
		return err
	}
	if _, err := p.sh(ctx, "names", nameLoop); err != nil {
		return err
	}
	began := time.Now()
	machine := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(p.Name), Name: o.Victim}}
	if found, err := platform.Hosting.Kube.CoreV1().Pods(machine.Namespace).Get(ctx, machine.Name, metav1.GetOptions{}); err == nil {
		machine = *found
	}
	if err := platform.kill(ctx, p.log, machine); err != nil {
		return err
	}
	err = o.recover(ctx, p, nodes, began)
	served, stopErr := asking.stop(ctx)
	o.Served = served
	entered, enterErr := entering.stop(ctx)
	o.Entered = entered
	return errors.Join(err, stopErr, enterErr, o.readNames(ctx, p))
}

// enter opens a port to the application at every machine, and asks there from one of them, first at the other.
func (p *project) enter(ctx context.Context, from, first string) (*requests, error) {
	route := service(p.namespace, "route", labels("app"))
	route.Spec.Type = corev1.ServiceTypeNodePort
	made, err := p.Kube.CoreV1().Services(p.namespace).Create(ctx, route, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("creating service route: %w", err)
	}
	outside := p.shellPod("outside", sleeper)
	outside.Spec.HostNetwork = true
	onNode(&outside.Spec, from)
	if err := p.start(ctx, outside); err != nil {
		return nil, err
	}
	var urls []string
	for _, machine := range []string{first, from} {
		url, err := p.entrance(ctx, machine, made.Spec.Ports[0].NodePort)
		if err != nil {
			return nil, err
		}
		if err := p.answers(ctx, outside.Name, url, marked("1")); err != nil {
			return nil, err
		}
		urls = append(urls, url)
	}
	return p.request(ctx, outside.Name, urls...)
}

// choose takes the machine that most of the cluster's operations run on.
func (o *machineLoss) choose(ctx context.Context, p *project, nodes []corev1.Node) error {
	pods, err := p.Kube.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing pods of kube-system: %w", err)
	}
	on := map[string][]string{}
	for _, pod := range pods.Items {
		weight := 1
		if strings.HasPrefix(pod.Name, "metrics-server") {
			weight = 10 // there is one only
		}
		for range weight {
			on[pod.Spec.NodeName] = append(on[pod.Spec.NodeName], pod.Name)
		}
	}
	for _, node := range nodes {
		if o.Victim == "" || len(on[node.Name]) > len(on[o.Victim]) {
			o.Victim = node.Name
		}
	}
	o.Operations = slices.Compact(slices.Sorted(slices.Values(on[o.Victim])))
	p.log.Add("get pods -n kube-system --field-selector spec.nodeName="+o.Victim, strings.Join(o.Operations, " "))
	return nil
}

func (o *machineLoss) killKubelet(ctx context.Context, platform *Platform, p *project) error {
	before, err := platform.onMachine(ctx, p.log, p.Name, o.Victim, "pgrep -x kubelet")
	if err != nil {
		return err
	}
	if _, err := platform.onMachine(ctx, p.log, p.Name, o.Victim, "kill -9 "+before); err != nil {
		return err
	}
	return await(ctx, "another kubelet, and a Ready node", time.Minute, func(ctx context.Context) error {
		after, err := platform.onMachine(ctx, scorecard.NewLog(time.Now), p.Name, o.Victim, "pgrep -x kubelet")
		if err != nil {
			return err
		}
		if after == "" || after == before {
			return fmt.Errorf("the kubelet is process %q, as before", after)
		}
		names, err := p.readyNodes(ctx, "")
		if err == nil && !slices.Contains(names, o.Victim) {
			err = errors.New("the node is not Ready")
		}
		o.Kubelet = err == nil
		return err
	})
}

// spread runs an application on all machines, and its clients on one.
func (p *project) spread(ctx context.Context, clients string) error {
	app := p.appDeployment("app", "1", 4)
	keptApart(&app.Spec.Template.Spec, "app")
	if err := p.create(ctx, app); err != nil {
		return err
	}
	if err := p.expose(ctx, "app"); err != nil {
		return err
	}
	client, names := p.shellPod("client", sleeper), p.shellPod("names", sleeper)
	onNode(&client.Spec, clients)
	onNode(&names.Spec, clients)
	if err := p.start(ctx, client, names); err != nil {
		return err
	}
	return p.answers(ctx, "client", "http://app/", marked("1"))
}

const nameLoop = `rm -f /tmp/names; (while :; do timeout 5 nslookup -type=a kubernetes.default.svc.cluster.local >/dev/null 2>&1 && echo ok >>/tmp/names || echo FAILED >>/tmp/names; sleep 0.5; done) </dev/null >/dev/null 2>&1 &`

func (o *machineLoss) readNames(ctx context.Context, p *project) error {
	got, err := p.sh(ctx, "names", "cat /tmp/names")
	o.Names, o.Unresolved = strings.Count(got, "ok"), strings.Count(got, "FAILED")
	p.log.Add("nslookup kubernetes.default.svc.cluster.local, twice a second", outcome(err, fmt.Sprintf("%d resolved, %d not", o.Names, o.Unresolved)))
	return err
}

// recover waits for what has to come back: the machine, the application and the metrics.
func (o *machineLoss) recover(ctx context.Context, p *project, before []corev1.Node, began time.Time) error {
	var added string
	err := await(ctx, "another machine", 3*time.Minute, func(ctx context.Context) (err error) {
		now, err := p.freeNodes(ctx)
		if err != nil {
			return err
		}
		added, err = newcomer(before, now, o.Victim)
		return err
	})
	if o.Replaced = err == nil; o.Replaced {
		o.Repair = time.Since(began)
	}
	p.log.Add("get nodes", outcome(err, fmt.Sprintf("%d take pods again, without %s and with %s, after %s", len(before), o.Victim, added, seconds(o.Repair))))
	if err != nil {
		return err
	}
	if err := p.rolledOut(ctx, "app", 2*time.Minute); err != nil {
		return err
	}
	o.Strength, o.Full = true, time.Since(began)
	pod := p.shellPod("newcomer", sleeper)
	onNode(&pod.Spec, added)
	if err := p.start(ctx, pod); err != nil {
		return err
	}
	o.Runs = true
	err = await(ctx, "metrics of all nodes", 2*time.Minute, func(ctx context.Context) error {
		data, err := p.Raw(ctx, nodeMetrics)
		if n := len(parseUsages(data)); err == nil && n < len(before) {
			err = fmt.Errorf("there are metrics of %d nodes", n)
		}
		return err
	})
	o.Metrics = err == nil
	p.log.Add("get --raw "+nodeMetrics, outcome(err, "metrics of all nodes"))
	return err
}

// newcomer is the node that took the victim's place; an error says why there is none yet.
func newcomer(before, now []corev1.Node, victim string) (string, error) {
	old, names, added := map[string]bool{}, []string{}, ""
	for _, node := range before {
		old[node.Name] = true
	}
	for _, node := range now {
		if names = append(names, node.Name); !old[node.Name] {
			added = node.Name
		}
	}
	if added == "" || slices.Contains(names, victim) || len(now) < len(before) {
		return "", fmt.Errorf("the nodes that take pods are %v", names)
	}
	return added, nil
}

// longestGap is for how long an application of several pods may be silent when one of its machines is lost.
const longestGap = 10 * time.Second

func (o machineLoss) worker() []scorecard.Claim {
	return []scorecard.Claim{
		claim(2, text("A machine is killed: the application goes on to answer within 10 s", "머신이 죽어도 애플리케이션이 10초 안에 계속 응답한다"),
			len(o.Served.Replies) >= 20 && o.Served.Gap <= longestGap, "%v", o.Served),
		claim(1, text("The application has all its pods again", "애플리케이션의 모든 파드가 다시 실행된다"), o.Strength, "after %s", seconds(o.Full)),
	}
}

// fewestEntered is how many requests have to get in: while the first address is dead, each takes the two seconds that it is
// given.
const fewestEntered = 8

func (o machineLoss) router() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A machine that lets requests in is killed: they get in at another one within 10 s", "요청이 들어오는 머신이 죽어도 10초 안에 다른 머신으로 들어온다"),
			len(o.Entered.Replies) >= fewestEntered && o.Entered.Gap <= longestGap && o.Replaced, "%v", o.Entered),
		missing(2, text("Router nodes with one address for all, which find out by themselves what lives", "하나의 주소를 가지고 스스로 장애를 감지하는 라우터 노드")),
	}
}

func (o machineLoss) infra() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("The machine of the cluster's operations pods is killed: names are resolved meanwhile, metrics come back", "클러스터 운영 파드가 있는 머신이 죽어도 이름이 해석되고 메트릭이 복구된다"),
			len(o.Operations) > 0 && o.Names >= 10 && o.Unresolved*10 <= o.Names && o.Metrics,
			"%s ran %s; %d look-ups answered, %d not; metrics of all nodes again: %v", o.Victim, strings.Join(o.Operations, ", "), o.Names, o.Unresolved, o.Metrics),
		missing(1, text("The loss of a host that the platform itself runs on: not tried, since a platform on one host does not survive it", "플랫폼 자체가 실행되는 호스트의 장애: 호스트가 하나인 플랫폼은 견디지 못하므로 시험하지 않았다")),
	}
}

func (o machineLoss) repair() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("A kubelet that is killed is started again, and its node stays", "죽은 kubelet은 다시 시작되고 노드는 유지된다"), o.Kubelet, "on %s", o.Victim),
		claim(1.5, text("A machine that is killed is replaced without anybody's command, and pods run on the new one", "죽은 머신은 명령 없이 교체되고, 새 머신에서 파드가 실행된다"),
			o.Replaced && o.Runs, "after %s", seconds(o.Repair)),
	}
}
