package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/internal/probe"
	"naru.dev/naru/internal/scorecard"
)

func faultTolerance(lab *Lab) []scorecard.Check {
	main := func(ctx context.Context) error { _, err := lab.Main(ctx); return err }
	loss := &experiment[machineLoss]{name: "P17", limit: 8 * time.Minute, observe: lossOf(lab.Platform)}
	ofLoss := func(row string, judge func(machineLoss) []scorecard.Claim) scorecard.Check {
		return loss.row(lab, trial[machineLoss]{row: row, needs: scorecard.PlatformAPI, disruptive: true, judge: judge})
	}
	return []scorecard.Check{
		trial[masterLoss]{row: "P16", needs: scorecard.PlatformAPI, limit: 5 * time.Minute, disruptive: true, prepare: main, judge: masterLoss.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *masterLoss) error { return o.observe(ctx, lab, log) }}.check(),
		ofLoss("P17", machineLoss.worker),
		ofLoss("P18", machineLoss.infra),
		ofLoss("P19", machineLoss.router),
		trial[storageLoss]{row: "P20", needs: scorecard.PlatformAPI, limit: 5 * time.Minute, disruptive: true, prepare: main, judge: storageLoss.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *storageLoss) error { return o.observe(ctx, lab, log) }}.check(),
		ofLoss("P21", machineLoss.repair),
	}
}

// tolerated is for how long requests may go without success while something was killed.
const tolerated = 5 * time.Second

// masterLoss is P16: what a probe saw while an API server and an etcd member were killed.
type masterLoss struct {
	Server, Member probe.Report
	// Whole tells that the control plane had all its parts again afterwards, by itself.
	Whole bool
	Took  time.Duration
}

// controlPlane is what a highly available control plane has of each part.
var controlPlane = []struct {
	component string
	pods      int
}{{"etcd", 3}, {"kube-apiserver", 3}}

func (o *masterLoss) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	cluster, err := lab.Main(ctx)
	if err != nil {
		return err
	}
	p, err := lab.project(ctx, "P16", log)
	if err != nil {
		return err
	}
	defer p.leave()
	if err := lab.Platform.whole(ctx, cluster.Name, 2*time.Minute); err != nil {
		return fmt.Errorf("before anything was killed: %w", err)
	}
	began := time.Now()
	if o.Server, err = lab.Platform.suffer(ctx, p, "kube-apiserver"); err != nil {
		return err
	}
	if o.Member, err = lab.Platform.suffer(ctx, p, "etcd"); err != nil {
		return err
	}
	o.Took, o.Whole = time.Since(began), true
	return nil
}

// suffer kills the first pod of a component while a probe reads and writes, until all of them are there again.
func (p *Platform) suffer(ctx context.Context, in *project, component string) (probe.Report, error) {
	pods, err := p.parts(ctx, in.Name, component)
	if err != nil || len(pods) == 0 {
		return probe.Report{}, errors.Join(fmt.Errorf("there is no pod of %s", component), err)
	}
	running, err := in.Probe(ctx, in.namespace)
	if err != nil {
		return probe.Report{}, err
	}
	err = errors.Join(settle(ctx, 2*time.Second), p.kill(ctx, in.log, pods[0]))
	if err == nil {
		err = p.replaced(ctx, in.Name, component, pods)
	}
	report := running.Stop()
	in.log.Add(fmt.Sprintf("10 reads and 10 writes a second while %s was killed", pods[0].Name), report.String()+failuresOf(report))
	return report, err
}

// mostFailures is how many failed requests evidence names.
const mostFailures = 6

// failuresOf names the requests that failed, a line each.
func failuresOf(report probe.Report) string {
	var text strings.Builder
	for i, f := range report.Failures {
		if i == mostFailures {
			fmt.Fprintf(&text, "\nand %d more", len(report.Failures)-i)
			break
		}
		text.WriteString("\n" + f.String())
	}
	return text.String()
}

// replaced waits until a component has as many ready pods as before, the first of which is another one.
func (p *Platform) replaced(ctx context.Context, cluster, component string, before []corev1.Pod) error {
	return await(ctx, "the pods of "+component, 2*time.Minute, func(ctx context.Context) error {
		pods, err := p.parts(ctx, cluster, component)
		if err != nil {
			return err
		}
		n := 0
		for _, pod := range pods {
			if ready(pod) && pod.UID != before[0].UID {
				n++
			}
		}
		if n < len(before) {
			return fmt.Errorf("%d of %d are ready", n, len(before))
		}
		return nil
	})
}

// whole waits until a highly available control plane has all its parts.
func (p *Platform) whole(ctx context.Context, cluster string, limit time.Duration) error {
	return await(ctx, "the control plane", limit, func(ctx context.Context) error {
		for _, part := range controlPlane {
			n, err := p.readyParts(ctx, cluster, part.component)
			if err != nil {
				return err
			}
			if n < part.pods {
				return fmt.Errorf("%d of %d pods of %s are ready", n, part.pods, part.component)
			}
		}
		return nil
	})
}

func (o masterLoss) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1.5, text("An API server is killed: no acknowledged write is lost, and requests go on within 5 s", "API 서버가 죽어도 승인된 쓰기가 유실되지 않고 5초 안에 요청이 계속된다"),
			o.Server.Within(tolerated) == nil, "%v", o.Server),
		claim(1, text("An etcd member is killed: the same", "etcd 멤버가 죽어도 동일하다"), o.Member.Within(tolerated) == nil, "%v", o.Member),
		claim(0.5, text("The control plane is complete again by itself", "컨트롤 플레인이 스스로 원래대로 돌아온다"), o.Whole, "after %s for both", seconds(o.Took)),
	}
}

// storageLoss is P20: what becomes of volumes when the service that makes them is killed.
type storageLoss struct {
	Before, During, After string
	Bound                 bool
}

// killAgent kills the agent of a machine, which makes and deletes volumes there. Its own words are not the pattern.
const killAgent = "pkill -9 -f 'naru [a]gent ' && echo killed"

func (o *storageLoss) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	p, err := lab.project(ctx, "P20", log)
	if err != nil {
		return err
	}
	defer p.leave()
	if err := p.withVolume(ctx, "writer", "data", "16Mi"); err != nil {
		return err
	}
	write := func(text string) (string, error) {
		got, err := p.sh(ctx, "writer", "echo "+text+" >/volume/file && sync && cat /volume/file")
		log.Add("exec writer -- write "+text+" to the volume and read it", outcome(err, strings.TrimSpace(got)))
		return strings.TrimSpace(got), err
	}
	if o.Before, err = write("before"); err != nil {
		return err
	}
	nodes, err := p.freeNodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if got, err := lab.Platform.onMachine(ctx, log, p.Name, node.Name, killAgent); err != nil || got != "killed" {
			return errors.Join(fmt.Errorf("the agent of %s was not killed: %q", node.Name, got), err)
		}
	}
	if o.During, err = write("during"); err != nil {
		return err
	}
	if err := p.withVolume(ctx, "later", "more", "16Mi"); err != nil {
		return err
	}
	o.Bound = true
	got, err := p.sh(ctx, "writer", "cat /volume/file")
	o.After = strings.TrimSpace(got)
	return err
}

func (o storageLoss) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("The storage service is killed: volumes go on to be read and written, and new ones are made after it", "스토리지 서비스가 죽어도 볼륨의 읽기·쓰기가 계속되고, 이후 새 볼륨이 만들어진다"),
			o.Before == "before" && o.During == "during" && o.After == "during" && o.Bound, "written %q, %q; a new volume was bound: %v", o.Before, o.During, o.Bound),
		missing(1, text("A volume outlives the loss of its device: it is a folder of one machine", "장치가 손실되어도 볼륨이 유지된다: 현재 볼륨은 한 머신의 폴더이다")),
	}
}
