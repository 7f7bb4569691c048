package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/probe"
	"naru.dev/naru/internal/scorecard"
)

// resizeLimit bounds both steps of P23.
const resizeLimit = 6 * time.Minute

func scaling(lab *Lab) []scorecard.Check {
	main := func(ctx context.Context) error { _, err := lab.Main(ctx); return err }
	second := func(ctx context.Context) error { _, err := lab.Second(ctx); return err }
	return []scorecard.Check{
		trial[resized]{row: "P23", needs: scorecard.PlatformAPI, limit: resizeLimit, prepare: second, alone: secondAlone, judge: resized.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *resized) error { return o.observe(ctx, lab, log) }}.check(),
		trial[pool]{row: "P24", needs: scorecard.PlatformAPI, limit: 7 * time.Minute, prepare: main, judge: pool.workers,
			observe: func(ctx context.Context, log *scorecard.Log, o *pool) error { return o.observe(ctx, lab, log, "P24") }}.check(),
		trial[pool]{row: "P25", needs: scorecard.PlatformAPI, limit: 7 * time.Minute, prepare: main, judge: pool.infra,
			observe: func(ctx context.Context, log *scorecard.Log, o *pool) error { return o.observe(ctx, lab, log, "P25") }}.check(),
	}
}

// resized is P23: a control plane that is made larger and smaller.
type resized struct {
	// Servers and Members are how many were ready after each step.
	Up, Down resizedTo
	Probe    probe.Report
}

type resizedTo struct {
	Servers, Members int
	Took             time.Duration
}

func (o *resized) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	second, err := lab.Second(ctx)
	if err != nil {
		return err
	}
	running, err := second.Probe(ctx, "default")
	if err != nil {
		return err
	}
	o.Up, err = lab.Platform.resize(ctx, log, second.Name, 3)
	if err == nil {
		o.Down, err = lab.Platform.resize(ctx, log, second.Name, 1)
	}
	o.Probe = running.Stop()
	log.Add("10 reads and 10 writes a second meanwhile", o.Probe.String())
	return err
}

// resize sets the size of a control plane and counts what there is then.
func (p *Platform) resize(ctx context.Context, log *scorecard.Log, cluster string, replicas int) (resizedTo, error) {
	var to resizedTo
	began := time.Now()
	if _, err := p.naru(ctx, log, "scale", "cluster", cluster, "--control-plane-replicas", fmt.Sprint(replicas), "--wait", "--timeout", "150s"); err != nil {
		return to, err
	}
	err := await(ctx, fmt.Sprintf("a control plane of %d", replicas), time.Minute, func(ctx context.Context) (err error) {
		if to.Servers, err = p.readyParts(ctx, cluster, "kube-apiserver"); err != nil {
			return err
		}
		if to.Members, err = p.readyParts(ctx, cluster, "etcd"); err != nil {
			return err
		}
		if to.Servers != replicas || to.Members != replicas {
			return fmt.Errorf("%d API servers and %d etcd members are ready", to.Servers, to.Members)
		}
		return nil
	})
	to.Took = time.Since(began)
	log.Add("get pods of the control plane (hosting cluster)", outcome(err, fmt.Sprintf("%d API servers and %d etcd members are ready", to.Servers, to.Members)))
	return to, err
}

func (o resized) judge() []scorecard.Claim {
	kept := o.Probe.Within(tolerated) == nil
	return []scorecard.Claim{
		claim(0.5, text("API servers and etcd members are added to a running control plane", "실행 중인 컨트롤 플레인에 API 서버와 etcd 멤버를 추가한다"),
			o.Up.Servers == 3 && o.Up.Members == 3 && kept, "1 to 3 in %s; %v", seconds(o.Up.Took), o.Probe),
		claim(0.5, text("They are removed again, and no write is lost", "다시 제거해도 쓰기가 유실되지 않는다"),
			o.Down.Servers == 1 && o.Down.Members == 1 && kept, "3 to 1 in %s", seconds(o.Down.Took)),
	}
}

// pool is P24 and P25: a node group of one's own that comes, grows, shrinks and goes.
type pool struct {
	// First, Grown and Shrunk are how many of its nodes were Ready, Left how many after its deletion.
	First, Grown, Shrunk int
	Gone                 bool
	// Hosted is the node that a pod which asks for the pool ran on; Kept tells that one that does not tolerate it stayed out.
	Hosted string
	Kept   bool
	Took   time.Duration
}

func (o *pool) observe(ctx context.Context, lab *Lab, log *scorecard.Log, row string) (err error) {
	p, err := lab.project(ctx, row, log)
	if err != nil {
		return err
	}
	defer p.leave()
	name := clusterPrefix + rand.String(4)
	group := []string{name, "--cluster", p.Name}
	defer func() {
		if !o.Gone {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			_, _ = lab.Platform.naru(ctx, log, append([]string{"delete", "nodegroup"}, append(group, "--no-wait")...)...)
		}
	}()
	run := func(verb string, flags ...string) error {
		_, err := lab.Platform.naru(ctx, log, append(append([]string{verb, "nodegroup"}, group...), append(flags, "--wait", "--timeout", "4m")...)...)
		return err
	}
	began := time.Now()
	if err := run("create", "--nodes", "1", "--labels", namespaceLabel+"="+name, "--taint", namespaceLabel+"="+name+":NoSchedule"); err != nil {
		return err
	}
	if o.First, err = p.count(ctx, name, 1); err != nil {
		return err
	}
	if err := o.host(ctx, p, name); err != nil {
		return err
	}
	if err := run("scale", "--nodes", "2"); err != nil {
		return err
	}
	if o.Grown, err = p.count(ctx, name, 2); err != nil {
		return err
	}
	if err := run("scale", "--nodes", "1"); err != nil {
		return err
	}
	if o.Shrunk, err = p.count(ctx, name, 1); err != nil {
		return err
	}
	if err := run("delete"); err != nil {
		return err
	}
	_, err = p.count(ctx, name, 0)
	o.Gone, o.Took = err == nil, time.Since(began)
	return err
}

// count waits until a pool has so many Ready nodes.
func (p *project) count(ctx context.Context, pool string, want int) (n int, err error) {
	selector := v1alpha1.LabelNodeGroup + "=" + pool
	err = await(ctx, fmt.Sprintf("%d nodes of %s", want, pool), 90*time.Second, func(ctx context.Context) error {
		names, err := p.readyNodes(ctx, selector)
		if n = len(names); err == nil && n != want {
			err = fmt.Errorf("there are %d: %s", n, strings.Join(names, " "))
		}
		return err
	})
	p.log.Add("get nodes -l "+selector, outcome(err, fmt.Sprintf("%d are Ready", n)))
	return n, err
}

// host runs a pod on the pool, and sees that one which does not tolerate it waits.
func (o *pool) host(ctx context.Context, p *project, name string) error {
	welcome, stranger := p.shellPod("welcome", sleeper), p.shellPod("stranger", sleeper)
	for _, pod := range []*corev1.Pod{welcome, stranger} {
		pod.Spec.NodeSelector = map[string]string{namespaceLabel: name}
	}
	welcome.Spec.Tolerations = []corev1.Toleration{{Key: namespaceLabel, Operator: corev1.TolerationOpExists}}
	if err := p.start(ctx, welcome); err != nil {
		return err
	}
	o.Hosted = welcome.Spec.NodeName
	if err := p.submit(ctx, stranger); err != nil {
		return err
	}
	return await(ctx, "word of the pod that is not let in", 30*time.Second, func(ctx context.Context) error {
		why, err := p.unscheduled(ctx, stranger.Name)
		if err != nil {
			return err
		}
		if o.Kept = strings.Contains(why, "taint"); !o.Kept {
			return errors.New(why)
		}
		p.log.Add("pod stranger, which does not tolerate the pool's taint", why)
		return nil
	})
}

func (o pool) workers() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("Worker nodes are added, and pods run on them", "워커 노드를 추가하고, 그 위에서 파드가 실행된다"),
			o.First == 1 && o.Grown == 2 && o.Hosted != "", "%d, then %d; a pod ran on %s", o.First, o.Grown, o.Hosted),
		claim(1, text("Worker nodes are removed", "워커 노드를 제거한다"), o.Grown == 2 && o.Shrunk == 1 && o.Gone, "%d, then %d, then none: %v; all in %s", o.Grown, o.Shrunk, o.Gone, seconds(o.Took)),
	}
}

func (o pool) infra() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("Nodes for operations only are added and removed; other pods stay away from them", "운영 전용 노드를 추가·제거하고, 다른 파드는 배치되지 않는다"),
			o.First == 1 && o.Grown == 2 && o.Shrunk == 1 && o.Gone && o.Hosted != "" && o.Kept,
			"%d, %d, %d, gone: %v; a pod that tolerates them ran on %s, another stayed out: %v", o.First, o.Grown, o.Shrunk, o.Gone, o.Hosted, o.Kept),
	}
}
