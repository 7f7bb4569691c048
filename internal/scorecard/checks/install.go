package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

// secondAlone names the cluster that is made from a manifest: rows that change it use it one at a time.
const secondAlone = "second cluster"

// beforeResize is the limit of rows that use the second cluster before P23 resizes its control plane: one that does not
// survive that is P23's failure alone.
const beforeResize = resizeLimit + time.Minute

func install(lab *Lab) []scorecard.Check {
	main := func(ctx context.Context) error { _, err := lab.Main(ctx); return err }
	second := func(ctx context.Context) error { _, err := lab.Second(ctx); return err }
	return []scorecard.Check{
		trial[machineOS]{row: "P01", needs: scorecard.PlatformAPI, limit: short, prepare: main, judge: machineOS.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *machineOS) error { return o.observe(ctx, lab, log) }}.check(),
		trial[installed]{row: "P04", needs: scorecard.PlatformAPI, limit: 9 * time.Minute, prepare: main, judge: installed.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *installed) error { return o.observe(ctx, lab, log) }}.check(),
		trial[defined]{row: "P05", needs: scorecard.PlatformAPI, limit: 8 * time.Minute, prepare: second, alone: secondAlone, judge: defined.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *defined) error { return o.observe(ctx, lab, log) }}.check(),
		trial[apart]{row: "P06", needs: scorecard.PlatformAPI, limit: beforeResize, prepare: second, alone: secondAlone, judge: apart.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *apart) error { return o.observe(ctx, lab, log) }}.check(),
		trial[atRest]{row: "P07", needs: scorecard.PlatformAPI, limit: short, prepare: main, judge: atRest.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *atRest) error { return o.observe(ctx, lab, log) }}.check(),
		trial[parametrised]{row: "P08", needs: scorecard.PlatformAPI, limit: beforeResize, prepare: second, alone: secondAlone, judge: parametrised.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *parametrised) error { return o.observe(ctx, lab, log) }}.check(),
		trial[verified]{row: "P11", needs: scorecard.PlatformAPI, limit: beforeResize, prepare: second, alone: secondAlone, judge: verified.judge,
			observe: func(ctx context.Context, log *scorecard.Log, o *verified) error { return o.observe(ctx, lab, log) }}.check(),
	}
}

// machineOS is P01: the operating system of a machine that nobody has installed by hand.
type machineOS struct {
	Machine, Promised, Reported, Inside string
}

func (o *machineOS) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	cluster, err := lab.Main(ctx)
	if err != nil {
		return err
	}
	nodes, err := cluster.freeNodes(ctx)
	if err != nil || len(nodes) == 0 {
		return errors.Join(errors.New("the cluster has no ready node"), err)
	}
	node := nodes[0]
	o.Machine, o.Reported = node.Name, node.Status.NodeInfo.OSImage
	log.Add("get node "+node.Name, fmt.Sprintf("OS %s, kubelet %s, %s", o.Reported, node.Status.NodeInfo.KubeletVersion, node.Status.NodeInfo.ContainerRuntimeVersion))
	o.Inside, err = lab.Platform.onMachine(ctx, log, cluster.Name, node.Name, `. /etc/os-release && echo "$PRETTY_NAME" && pgrep -x kubelet >/dev/null && pgrep -x containerd >/dev/null && echo running`)
	return err
}

func (o machineOS) judge() []scorecard.Claim {
	name, running, _ := strings.Cut(o.Inside, "\n")
	return []scorecard.Claim{
		claim(0.5, text("A machine comes with its OS, kubelet and container runtime installed and configured", "머신이 OS, kubelet, 컨테이너 런타임이 설치·구성된 상태로 만들어진다"),
			o.Machine != "" && name != "" && name == o.Reported && running == "running", "%s: %s", o.Machine, o.Reported),
		missing(0.5, text("Machines with a kernel of their own: they are pods for now", "자체 커널을 가진 머신: 현재는 파드로 실행된다")),
	}
}

// installed is P04: the cluster that rows share.
type installed struct {
	Newest, Version string
	Made            Ran
	// Nodes is on how many machines a pod ran.
	Nodes int
}

func (o *installed) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	cluster, err := lab.Main(ctx)
	if err != nil {
		return err
	}
	if lab.Platform.Made.Command == "" {
		return errors.New("no cluster was installed in this run: --cluster names one that was there before")
	}
	o.Made = lab.Platform.Made
	log.Add(o.Made.Command, o.Made.String())
	releases, err := lab.Platform.naru(ctx, log, "get", "releases", "-o", "name")
	if err != nil {
		return err
	}
	o.Newest = newest(releases.Stdout)
	version, err := cluster.Raw(ctx, "/version")
	if err != nil {
		return fmt.Errorf("asking for the version: %w", err)
	}
	o.Version = field(version, "gitVersion")
	log.Add("get --raw /version", o.Version)
	p, err := lab.project(ctx, "P04", log)
	if err != nil {
		return err
	}
	defer p.leave()
	o.Nodes, err = p.runOnEach(ctx, mainNodes)
	return err
}

// runOnEach runs a pod on each of so many nodes and uses it; it returns on how many that worked.
func (p *project) runOnEach(ctx context.Context, want int) (int, error) {
	var nodes []corev1.Node
	err := await(ctx, fmt.Sprintf("%d nodes that take pods", want), 90*time.Second, func(ctx context.Context) (err error) {
		if nodes, err = p.freeNodes(ctx); err == nil && len(nodes) < want {
			err = fmt.Errorf("there are %d", len(nodes))
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	n := 0
	for i, node := range nodes {
		pod, word := p.shellPod(fmt.Sprintf("first-%d", i), sleeper), rand.String(8)
		onNode(&pod.Spec, node.Name)
		if err := p.start(ctx, pod); err != nil {
			return n, err
		}
		err := await(ctx, "an echo of "+pod.Name, time.Minute, func(ctx context.Context) error {
			got, err := p.sh(ctx, pod.Name, "echo "+word)
			if err == nil && strings.TrimSpace(got) != word {
				err = fmt.Errorf("it says %q", got)
			}
			return err
		})
		p.log.Add("exec "+pod.Name+" -- echo "+word, outcome(err, word))
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (o installed) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("One command installs a cluster of the recommended version", "명령 하나로 권장 버전의 클러스터가 설치된다"),
			o.Made.Command != "" && o.Made.Code == 0 && o.Newest != "" && strings.HasPrefix(o.Version, "v"+o.Newest+"."),
			"%s: %s, recommended %s, in %s", o.Made.Command, o.Version, o.Newest, seconds(o.Made.Took)),
		claim(2, text("Pods run and can be used on all the machines that were asked for", "요청한 모든 머신에서 파드가 실행되고 사용할 수 있다"), o.Nodes >= mainNodes, "on %d of %d", o.Nodes, mainNodes),
	}
}

// defined is P05: a cluster from a manifest.
type defined struct {
	Applied, Again Ran
	// Nodes is on how many machines a pod ran.
	Nodes int
	// Before and After are the cluster's generation before and after the second application.
	Before, After string
}

func (o *defined) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	second, err := lab.Second(ctx)
	if err != nil {
		return err
	}
	log.Add(second.dryRun.Command, second.dryRun.String())
	o.Applied = second.applied
	log.Add(o.Applied.Command, o.Applied.String())
	if o.Nodes, err = (&project{Cluster: second.Cluster, namespace: "default", log: log}).runOnEach(ctx, 1); err != nil {
		return err
	}
	generation := func() (string, error) {
		ran, err := lab.Platform.naru(ctx, log, "get", "cluster", second.Name, "-o", "json")
		return field([]byte(ran.Stdout), "metadata", "generation"), err
	}
	if o.Before, err = generation(); err != nil {
		return err
	}
	if o.Again, err = lab.Platform.pipe(ctx, log, second.manifest, "apply", "-f", "-", "--wait", "--timeout", "2m"); err != nil {
		return err
	}
	o.After, err = generation()
	return err
}

func (o defined) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("Applying a manifest makes the cluster and its node", "정의서를 적용하면 클러스터와 노드가 만들어진다"),
			o.Applied.Command != "" && o.Applied.Code == 0 && o.Nodes >= 1, "%s: a pod ran on %d machine(s), after %s", o.Applied.Command, o.Nodes, seconds(o.Applied.Took)),
		claim(1, text("Applying it again changes nothing", "다시 적용해도 변경되는 것이 없다"),
			o.Again.Command != "" && o.Again.Code == 0 && o.Before != "" && o.Before == o.After, "generation %s before, %s after", o.Before, o.After),
	}
}

// parametrised is P08: what parameters and changes of the manifest do.
type parametrised struct {
	// ServiceIP is the first address of the Services' range, PodRange that of a node's pods.
	ServiceIP, PodRange string
	Changed             Ran
	Nodes               int
}

func (o *parametrised) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	second, err := lab.Second(ctx)
	if err != nil {
		return err
	}
	log.Add(second.dryRun.Command, second.dryRun.String())
	service, err := second.Kube.CoreV1().Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading service kubernetes: %w", err)
	}
	o.ServiceIP = service.Spec.ClusterIP
	nodes, err := second.freeNodes(ctx)
	if err != nil || len(nodes) == 0 {
		return errors.Join(errors.New("the cluster has no ready node"), err)
	}
	o.PodRange = nodes[0].Spec.PodCIDR
	log.Add("get service kubernetes; get node "+nodes[0].Name, o.ServiceIP+", "+o.PodRange)
	changed := strings.NewReplacer("min: 1\n", "min: 2\n", "desired: 1\n", "desired: 2\n").Replace(second.manifest)
	if changed == second.manifest {
		return errors.New("the manifest has no size of a node group that could be changed")
	}
	if o.Changed, err = lab.Platform.pipe(ctx, log, changed, "apply", "-f", "-", "--wait", "--timeout", "5m"); err != nil {
		return err
	}
	return await(ctx, "a second node", time.Minute, func(ctx context.Context) error {
		nodes, err := second.readyNodes(ctx, "")
		if o.Nodes = len(nodes); err == nil && o.Nodes < 2 {
			err = fmt.Errorf("%d nodes are Ready", o.Nodes)
		}
		return err
	})
}

func (o parametrised) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("Parameters fill a manifest, and the cluster has what they say", "매개변수로 정의서를 만들고, 클러스터가 그 값을 가진다"),
			o.ServiceIP == secondServiceIP && strings.HasPrefix(o.PodRange, secondPodPrefix), "Services from %s, pods of a node %s", o.ServiceIP, o.PodRange),
		claim(1, text("A changed manifest changes the running cluster", "정의서를 바꾸면 실행 중인 클러스터가 바뀐다"),
			o.Changed.Command != "" && o.Changed.Code == 0 && o.Nodes == 2, "node group of 1 set to 2: %d nodes Ready after %s", o.Nodes, seconds(o.Changed.Took)),
	}
}
