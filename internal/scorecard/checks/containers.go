package checks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"naru.dev/naru/internal/scorecard"
)

func containers(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[limited]{row: "A11", limit: medium, observe: observeLimited, judge: limited.judge}.check(lab),
		inProject[watched]{row: "A18", limit: medium, observe: observeWatched, judge: watched.judge}.check(lab),
	}
}

// limited is A11: what becomes of containers that want more than they were given.
type limited struct {
	// Capped and Free are the parts of a processor that a busy container used, with a limit and without.
	Capped, Free float64
	// Memory and Storage are the reasons for which the pods that took too much were ended.
	Memory, Storage string
}

func observeLimited(ctx context.Context, p *project, o *limited) error {
	hungry := p.shellPod("memory", "sleep 1; exec dd if=/dev/zero of=/dev/null bs=128M count=100")
	hungry.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")}
	hoarder := p.shellPod("storage", "dd if=/dev/zero of=/tmp/file bs=1M count=64; exec sleep 600")
	hoarder.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("8Mi")}
	for _, pod := range []*corev1.Pod{hungry, hoarder} {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		if err := p.submit(ctx, pod); err != nil {
			return err
		}
	}
	if err := o.processor(ctx, p); err != nil {
		return err
	}
	for _, pod := range []struct {
		name   string
		reason *string
	}{{"memory", &o.Memory}, {"storage", &o.Storage}} {
		// A kubelet looks at what volumes hold about once a minute.
		err := await(ctx, "the end of pod "+pod.name, 150*time.Second, func(ctx context.Context) error {
			found, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, pod.name, metav1.GetOptions{})
			if err == nil && found.Status.Phase != corev1.PodFailed && found.Status.Phase != corev1.PodSucceeded {
				err = fmt.Errorf("it is %s", found.Status.Phase)
			}
			if err == nil {
				*pod.reason = endOf(*found)
			}
			return err
		})
		p.log.Add("get pod "+pod.name+", which takes more than its limit", outcome(err, *pod.reason))
		if err != nil {
			return err
		}
	}
	return nil
}

// endOf is why a pod was ended.
func endOf(pod corev1.Pod) string {
	if pod.Status.Reason != "" {
		return strings.TrimSpace(pod.Status.Reason + " " + pod.Status.Message)
	}
	for _, status := range pod.Status.ContainerStatuses {
		if t := status.State.Terminated; t != nil {
			return t.Reason
		}
	}
	return string(pod.Status.Phase)
}

func (o *limited) processor(ctx context.Context, p *project) error {
	capped, free := p.shellPod("capped", sleeper), p.shellPod("free", sleeper)
	capped.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	if err := p.start(ctx, capped, free); err != nil {
		return err
	}
	for _, pod := range []struct {
		name string
		used *float64
	}{{"free", &o.Free}, {"capped", &o.Capped}} {
		got, err := p.sh(ctx, pod.name, cpuScript)
		if err != nil {
			return fmt.Errorf("keeping pod %s busy: %w", pod.name, err)
		}
		if *pod.used, err = parseCPU(got); err != nil {
			return err
		}
		p.log.Add("exec "+pod.name+" -- a busy loop", fmt.Sprintf("used %.2f of a processor", *pod.used))
	}
	return nil
}

// cpuScript prints the wall-clock time of a busy loop and the processor time that it used, as `time -p` does.
const cpuScript = `time -p timeout 4 sh -c 'while :; do :; done' 2>&1 || true`

// parseCPU reads what `time -p` prints: the used part of a processor.
func parseCPU(text string) (float64, error) {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			values[name] = v
		}
	}
	if values["real"] < 1 {
		return 0, fmt.Errorf("the time of the busy loop can't be read from %q", text)
	}
	return (values["user"] + values["sys"]) / values["real"], nil
}

func (o limited) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A container gets no more processor time than its limit", "컨테이너는 CPU 제한 이상을 쓰지 못한다"),
			o.Capped > 0 && o.Capped <= 0.2 && o.Free >= 1.5*o.Capped, "with a limit of 0.10 it used %.2f of a processor, without %.2f", o.Capped, o.Free),
		claim(1, text("A container that takes more memory than its limit is ended", "메모리 제한을 넘는 컨테이너는 종료된다"), strings.Contains(o.Memory, "OOMKilled"), "%s", o.Memory),
		claim(1, text("A container that takes more storage than its limit is ended", "스토리지 제한을 넘는 컨테이너는 종료된다"), strings.Contains(o.Storage, "Evicted"), "%s", o.Storage),
	}
}

// watched is A18: what each kind of health check notices.
type watched struct {
	// Restarts are how often the containers were started again after they were made ill, by the kind of their check.
	Restarts map[string]int32
	// Out and In tell that an application which says that it is not ready is asked no more, and then again.
	Out, In bool
}

// probes are the kinds of health checks, each with a container's script and how it is made ill.
func probes(shell string) (containers []corev1.Container, ill map[string]string) {
	kinds := []struct {
		name, script, ill string
		handler           corev1.ProbeHandler
	}{
		{"http", "mkdir -p /tmp/www; touch /tmp/www/alive; exec httpd -f -p 8081 -h /tmp/www", "rm /tmp/www/alive",
			corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/alive", Port: intstr.FromInt32(8081)}}},
		{"port", "mkdir -p /tmp/port; httpd -p 8082 -h /tmp/port; " + sleeper, "killall httpd",
			corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8082)}}},
		{"process", "touch /tmp/process; " + sleeper, "rm /tmp/process",
			corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-e", "/tmp/process"}}}},
	}
	ill = map[string]string{}
	for _, kind := range kinds {
		c := shellContainer(kind.name, shell, kind.script)
		c.LivenessProbe = &corev1.Probe{ProbeHandler: kind.handler, InitialDelaySeconds: 1, PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 2}
		containers = append(containers, c)
		ill[kind.name] = kind.ill
	}
	return containers, ill
}

func observeWatched(ctx context.Context, p *project, o *watched) error {
	pod := p.shellPod("watched", sleeper)
	list, ill := probes(p.Shell)
	pod.Spec = podSpec(nobody, list...)
	if err := p.start(ctx, pod); err != nil {
		return err
	}
	if err := settle(ctx, 3*time.Second); err != nil {
		return err
	}
	before, err := p.restarts(ctx, pod.Name)
	if err != nil {
		return err
	}
	for _, kind := range []string{"http", "port", "process"} {
		_, err := p.Exec(ctx, Command{Namespace: p.namespace, Pod: pod.Name, Container: kind, Run: []string{"sh", "-c", ill[kind]}})
		p.log.Add("exec watched -c "+kind+" -- "+ill[kind], outcome(err))
		if err != nil {
			return fmt.Errorf("making container %s ill: %w", kind, err)
		}
	}
	err = await(ctx, "containers that are started again", 75*time.Second, func(ctx context.Context) error {
		after, err := p.restarts(ctx, pod.Name)
		if err != nil {
			return err
		}
		o.Restarts = map[string]int32{}
		all := len(after) > 0
		for kind, n := range after {
			o.Restarts[kind] = n - before[kind]
			all = all && o.Restarts[kind] > 0
		}
		if !all {
			return fmt.Errorf("started again: %v", o.Restarts)
		}
		return nil
	})
	p.log.Add("get pod watched", outcome(err, fmt.Sprintf("started again: %v", o.Restarts)))
	return errors.Join(err, o.readiness(ctx, p))
}

// restarts counts, by container, how often it was started again.
func (p *project) restarts(ctx context.Context, pod string) (map[string]int32, error) {
	found, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading pod %s: %w", pod, err)
	}
	counts := map[string]int32{}
	for _, status := range found.Status.ContainerStatuses {
		counts[status.Name] = status.RestartCount
	}
	return counts, nil
}

func (o *watched) readiness(ctx context.Context, p *project) error {
	app := p.shellPod("moody", "mkdir -p /tmp/www && echo fine >/tmp/www/index.html && touch /tmp/www/ready && exec httpd -f -p 8080 -h /tmp/www")
	app.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(port)}},
		PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 1,
	}
	if err := p.start(ctx, app); err != nil {
		return err
	}
	if err := errors.Join(p.expose(ctx, "moody"), p.client(ctx, "client")); err != nil {
		return err
	}
	fine := func(answer string) bool { return answer == "fine" }
	if err := p.answers(ctx, "client", "http://moody/", fine); err != nil {
		return err
	}
	if _, err := p.sh(ctx, "moody", "rm /tmp/www/ready"); err != nil {
		return fmt.Errorf("making the application unready: %w", err)
	}
	if err := p.silent(ctx, "client", "http://moody/"); err != nil {
		return err
	}
	o.Out = true
	if _, err := p.sh(ctx, "moody", "touch /tmp/www/ready"); err != nil {
		return fmt.Errorf("making the application ready: %w", err)
	}
	err := p.answers(ctx, "client", "http://moody/", fine)
	o.In = err == nil
	return err
}

func (o watched) judge() []scorecard.Claim {
	again := func(kind string, en, ko string) scorecard.Claim {
		return claim(0.5, text(en, ko), o.Restarts[kind] > 0, "started again %d time(s)", o.Restarts[kind])
	}
	return []scorecard.Claim{
		again("http", "A container that fails its HTTP check is started again", "HTTP 검사에 실패한 컨테이너는 다시 시작된다"),
		again("port", "A container whose port is closed is started again", "포트가 닫힌 컨테이너는 다시 시작된다"),
		again("process", "A container whose process check fails is started again", "프로세스 검사에 실패한 컨테이너는 다시 시작된다"),
		claim(0.5, text("A pod that is not ready is asked no more until it is", "준비되지 않은 파드에는 요청이 가지 않다가 준비되면 다시 간다"), o.Out && o.In, "left out: %v, back in: %v", o.Out, o.In),
	}
}
