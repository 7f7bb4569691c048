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
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

func logging(lab *Lab) []scorecard.Check {
	return append([]scorecard.Check{
		trial[machineLogs]{row: "P36", needs: scorecard.PlatformAPI, limit: short, judge: machineLogs.judge,
			prepare: func(ctx context.Context) error { _, err := lab.Main(ctx); return err },
			observe: func(ctx context.Context, log *scorecard.Log, o *machineLogs) error { return o.observe(ctx, lab, log) }}.check(),
		inProject[lifecycle]{row: "P37", limit: short, observe: observeLifecycle, judge: lifecycle.judge}.check(lab),
		inProject[pastLogs]{row: "A24", limit: short, observe: observePastLogs, judge: pastLogs.judge}.check(lab),
	}, operatorRows(lab)...)
}

// machineLogs is P36: a line that each machine logs, and the one command that shows all of them.
type machineLogs struct {
	// Machines are those that logged a line, Shown those whose line was printed.
	Machines, Shown []string
}

func (o *machineLogs) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	cluster, err := lab.Main(ctx)
	if err != nil {
		return err
	}
	nodes, err := cluster.freeNodes(ctx)
	if err != nil {
		return err
	}
	words := map[string]string{}
	for _, node := range nodes {
		word := "evaluation-" + rand.String(12)
		// The first process is what the machine's own log is of.
		if _, err := lab.Platform.onMachine(ctx, log, cluster.Name, node.Name, "echo "+word+" >/proc/1/fd/1"); err != nil {
			return err
		}
		words[node.Name] = word
		o.Machines = append(o.Machines, node.Name)
	}
	err = await(ctx, "the machines' lines", 20*time.Second, func(ctx context.Context) error {
		ran, err := lab.Platform.Naru(ctx, "", "logs", "cluster", cluster.Name, "node", "--tail", "500")
		if err != nil {
			return err
		}
		o.Shown = nil
		for machine, word := range words {
			if prints(ran.Stdout, word) {
				o.Shown = append(o.Shown, machine)
			}
		}
		if len(o.Shown) < len(o.Machines) {
			return fmt.Errorf("those of %v are shown", o.Shown)
		}
		return nil
	})
	slices.Sort(o.Shown)
	log.Add("naru logs cluster "+cluster.Name+" node --tail 500", outcome(err, "it has the lines of "+strings.Join(o.Shown, ", ")))
	return err
}

// prints tells whether a word is in a text.
func prints(text, word string) bool { return word != "" && strings.Contains(text, word) }

func (o machineLogs) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("One command prints the logs of all machines of a cluster", "명령 하나로 클러스터의 모든 머신 로그를 출력한다"),
			len(o.Machines) >= mainNodes && len(o.Shown) == len(o.Machines), "a line of each of %v was shown of %v", o.Machines, o.Shown),
		missing(1.5, text("The logs of all machines kept in one place and searched, also those of machines that are gone", "사라진 머신을 포함한 모든 머신 로그의 통합 보관과 검색")),
	}
}

// lifecycle is P37: what one request for all events tells of the lives of containers.
type lifecycle struct {
	// Ran are the reasons of a container that ran and was ended, Refused those of one whose image does not exist.
	Ran, Refused []string
}

// What has to be told of both.
var (
	lifeOfRan     = []string{"Scheduled", "Started", "Killing"}
	lifeOfRefused = []string{"Scheduled", "Failed"}
)

func observeLifecycle(ctx context.Context, p *project, o *lifecycle) error {
	wrong := p.shellPod("wrong", sleeper)
	wrong.Spec.Containers[0].Image = p.App + "-does-not-exist"
	if err := p.submit(ctx, wrong); err != nil {
		return err
	}
	if err := p.client(ctx, "ran"); err != nil {
		return err
	}
	if err := p.remove(ctx, "ran"); err != nil {
		return err
	}
	err := await(ctx, "word of both containers", time.Minute, func(ctx context.Context) error {
		list, err := p.Kube.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("listing events: %w", err)
		}
		o.Ran, o.Refused = reasons(list.Items, p.namespace, "ran"), reasons(list.Items, p.namespace, wrong.Name)
		if !includes(o.Ran, lifeOfRan) || !includes(o.Refused, lifeOfRefused) {
			return fmt.Errorf("there are %v and %v", o.Ran, o.Refused)
		}
		return nil
	})
	p.log.Add("get events --all-namespaces", outcome(err, fmt.Sprintf("of pod ran: %s; of pod wrong: %s", strings.Join(o.Ran, " "), strings.Join(o.Refused, " "))))
	return err
}

// reasons of a pod's events, each once.
func reasons(events []corev1.Event, namespace, pod string) []string {
	var all []string
	for _, event := range events {
		about := event.InvolvedObject
		if about.Kind == "Pod" && about.Namespace == namespace && about.Name == pod && !slices.Contains(all, event.Reason) {
			all = append(all, event.Reason)
		}
	}
	slices.Sort(all)
	return all
}

func includes(all, wanted []string) bool {
	for _, one := range wanted {
		if !slices.Contains(all, one) {
			return false
		}
	}
	return true
}

func (o lifecycle) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("One request tells the lives of the containers of all projects: placed, started, ended", "한 번의 요청으로 모든 프로젝트의 컨테이너 배치·시작·종료를 알 수 있다"), includes(o.Ran, lifeOfRan), "%s", strings.Join(o.Ran, " ")),
		claim(0.5, text("It tells why one did not start", "시작하지 못한 컨테이너의 이유도 알 수 있다"), includes(o.Refused, lifeOfRefused), "%s", strings.Join(o.Refused, " ")),
		missing(1, text("The logs and events of all containers kept in one place", "모든 컨테이너 로그와 이벤트의 통합 보관")),
	}
}

// pastLogs is A24: the logs of containers that have ended.
type pastLogs struct {
	// Word is what the first life of the container said, and Other what another pod of the service did.
	Word, Other string
	// Previous is the log of the life before, Present that of the one after it, Service those of all pods of the service.
	Previous, Present, Service string
}

func observePastLogs(ctx context.Context, p *project, o *pastLogs) error {
	word, other := "first-"+rand.String(10), "other-"+rand.String(10)
	twice := p.shellPod("twice", "if [ -e /tmp/again ]; then echo second life; else touch /tmp/again; echo "+word+"; exit 1; fi; "+sleeper)
	ended := p.shellPod("ended", "echo "+other)
	ended.Spec.RestartPolicy = corev1.RestartPolicyNever
	for _, pod := range []*corev1.Pod{twice, ended} {
		pod.Labels["service"] = "app"
		if err := p.submit(ctx, pod); err != nil {
			return err
		}
	}
	o.Word, o.Other = word, other
	err := await(ctx, "the second life of the container, and the end of the other", podTime, func(ctx context.Context) error {
		counts, err := p.restarts(ctx, twice.Name)
		if err != nil {
			return err
		}
		found, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, ended.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if counts["shell"] == 0 || found.Status.Phase != corev1.PodSucceeded {
			return fmt.Errorf("it was started again %d times, the other is %s", counts["shell"], found.Status.Phase)
		}
		return nil
	})
	if err != nil {
		return err
	}
	read := func(into *string, pod string, previous bool) error {
		got, err := p.Kube.CoreV1().Pods(p.namespace).GetLogs(pod, &corev1.PodLogOptions{Previous: previous}).DoRaw(ctx)
		*into += string(got)
		p.log.Add(fmt.Sprintf("logs %s --previous=%v", pod, previous), outcome(err, strings.TrimSpace(string(got))))
		return err
	}
	if err := errors.Join(read(&o.Previous, twice.Name, true), read(&o.Present, twice.Name, false)); err != nil {
		return err
	}
	pods, err := p.Kube.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: "service=app"})
	if err != nil {
		return fmt.Errorf("listing the pods of the service: %w", err)
	}
	for _, pod := range pods.Items {
		if err := read(&o.Service, pod.Name, false); err != nil {
			return err
		}
	}
	return nil
}

func (o pastLogs) judge() []scorecard.Claim {
	before := prints(o.Previous, o.Word) && !prints(o.Present, o.Word) && prints(o.Present, "second life")
	return []scorecard.Claim{
		claim(0.5, text("The log of a container that has ended is read beside that of its successor", "종료된 컨테이너의 로그를 후속 컨테이너의 로그와 따로 조회한다"), before, "before: %q, now: %q", strings.TrimSpace(o.Previous), strings.TrimSpace(o.Present)),
		claim(0.5, text("The logs of a service's pods are read together, of one that has finished, too", "종료된 파드를 포함한 서비스 단위의 로그를 함께 조회한다"),
			prints(o.Service, o.Other) && prints(o.Service, "second life"), "%q", strings.TrimSpace(o.Service)),
		missing(2, text("Searching and analysing logs by time and project, also those of pods that were deleted", "삭제된 파드를 포함해 기간·프로젝트별로 로그를 검색·분석")),
	}
}
