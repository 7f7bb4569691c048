package checks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

func development(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[debugged]{row: "A20", limit: medium, observe: observeDebugged, judge: debugged.judge}.check(lab),
		inProject[followed]{row: "A21", limit: short, observe: observeFollowed, judge: followed.judge}.check(lab),
		inProject[shelled]{row: "A22", limit: short, observe: observeShelled, judge: shelled.judge}.check(lab),
		inProject[piped]{row: "A23", limit: medium, observe: observePiped, judge: piped.judge}.check(lab),
	}
}

// debugged is A20.
type debugged struct {
	// Pod is the application's, Forwarded what its port answered on this machine.
	Pod, Forwarded string
	// Processes is what a container that was added to the running pod sees of the application.
	Processes string
}

func observeDebugged(ctx context.Context, p *project, o *debugged) error {
	app := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "app", Labels: labels("app")}, Spec: p.appPod("debug")}
	if err := p.start(ctx, app); err != nil {
		return err
	}
	o.Pod = app.Name
	err := await(ctx, "an answer through the forwarded port", 30*time.Second, func(ctx context.Context) (err error) {
		o.Forwarded, err = p.Forward(ctx, p.namespace, app.Name, port)
		return err
	})
	p.log.Add("port-forward pod/app :8080; GET / on this machine", outcome(err, strings.TrimSpace(o.Forwarded)))
	return errors.Join(err, o.inspect(ctx, p))
}

// inspect adds a container with a shell to the running pod, as `kubectl debug` does.
func (o *debugged) inspect(ctx context.Context, p *project) error {
	pods := p.Kube.CoreV1().Pods(p.namespace)
	pod, err := pods.Get(ctx, o.Pod, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading pod %s: %w", o.Pod, err)
	}
	pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{
		TargetContainerName: "app",
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger", Image: p.Shell, Command: []string{"sh", "-c", sleeper}, SecurityContext: pod.Spec.Containers[0].SecurityContext,
		},
	})
	if _, err := pods.UpdateEphemeralContainers(ctx, o.Pod, pod, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("adding a container to pod %s: %w", o.Pod, err)
	}
	err = await(ctx, "the application's process", time.Minute, func(ctx context.Context) (err error) {
		o.Processes, err = p.Exec(ctx, Command{Namespace: p.namespace, Pod: o.Pod, Container: "debugger", Run: []string{"sh", "-c", `tr '\0' ' ' </proc/1/cmdline; echo; tr '\0' '\n' </proc/1/environ | grep ` + markerVariable}})
		return err
	})
	p.log.Add("debug pod/app --target=app -- cat /proc/1/cmdline /proc/1/environ", outcome(err, strings.TrimSpace(o.Processes)))
	return err
}

func (o debugged) judge() []scorecard.Claim {
	r, _ := parseReply(o.Forwarded)
	return []scorecard.Claim{
		claim(1, text("A port of a pod, as a debugger's, is used from one's own machine", "파드의 포트(예: 디버거)를 로컬 머신에서 사용한다"), o.Pod != "" && r.Pod == o.Pod, "%q", strings.TrimSpace(o.Forwarded)),
		claim(1, text("A running application without a shell is looked into by a container that is added to it", "셸이 없는 실행 중인 애플리케이션을 추가 컨테이너로 조사한다"),
			strings.Contains(o.Processes, markerVariable+"=debug"), "%q", strings.TrimSpace(o.Processes)),
		missing(1, text("Stepping through an application with a debugger that comes with the platform", "플랫폼이 제공하는 디버거로 단계별 실행")),
	}
}

// followed is A21: what a stream of logs shows, and how soon.
type followed struct {
	// Past tells that the stream began with what had been printed before it, Delays how long later lines took.
	Past   bool
	Delays []time.Duration
}

// lines is how many lines are written while the stream is open.
const lines = 5

func observeFollowed(ctx context.Context, p *project, o *followed) error {
	if err := p.start(ctx, p.shellPod("talker", "echo the first line; mkfifo /tmp/words; while :; do cat /tmp/words; done")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	stream, err := p.Kube.CoreV1().Pods(p.namespace).GetLogs("talker", &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	defer stream.Close()
	scanner := bufio.NewScanner(stream)
	if !scanner.Scan() {
		return errors.Join(errors.New("the log is empty"), scanner.Err())
	}
	o.Past = scanner.Text() == "the first line"
	for range lines {
		delay, err := p.hear(ctx, scanner)
		if err != nil {
			return err
		}
		o.Delays = append(o.Delays, delay)
	}
	p.log.Add("logs -f talker, while lines are written", fmt.Sprintf("each came within %v", o.Delays))
	return nil
}

// hear writes a line into the log of pod talker and waits until the stream shows it.
func (p *project) hear(ctx context.Context, stream *bufio.Scanner) (time.Duration, error) {
	word := rand.String(12)
	began := time.Now()
	if _, err := p.sh(ctx, "talker", "echo "+word+" >/tmp/words"); err != nil {
		return 0, fmt.Errorf("writing into the log: %w", err)
	}
	for stream.Scan() {
		if stream.Text() == word {
			return time.Since(began).Round(time.Millisecond), nil
		}
	}
	return 0, errors.Join(errors.New("the stream has ended"), stream.Err(), io.ErrUnexpectedEOF)
}

func (o followed) judge() []scorecard.Claim {
	soon := len(o.Delays) == lines
	for _, delay := range o.Delays {
		soon = soon && delay <= 3*time.Second
	}
	return []scorecard.Claim{
		claim(2, text("Lines appear in an open stream of logs within 3 s", "열린 로그 스트림에 3초 안에 새 줄이 나타난다"), soon, "%v", o.Delays),
		claim(1, text("The stream begins with what was printed before", "스트림은 이전에 출력된 내용부터 시작한다"), o.Past && len(o.Delays) > 0, "%v", o.Past),
	}
}

// shelled is A22.
type shelled struct {
	Pod, Hostname, Echo string
	// Failed tells that a command's failure is passed on, Terminal what the shell says of its terminal.
	Failed   bool
	Terminal string
}

func observeShelled(ctx context.Context, p *project, o *shelled) error {
	if err := p.client(ctx, "box"); err != nil {
		return err
	}
	o.Pod = "box"
	run := func(into *string, command Command) error {
		command.Namespace, command.Pod = p.namespace, "box"
		got, err := p.Exec(ctx, command)
		*into = strings.TrimSpace(got)
		p.log.Add("exec box -- "+strings.Join(command.Run, " "), outcome(err, *into))
		return err
	}
	if err := run(&o.Hostname, Command{Run: []string{"hostname"}}); err != nil {
		return err
	}
	var ignored string
	err := run(&ignored, Command{Run: []string{"sh", "-c", "exit 7"}})
	o.Failed = err != nil && strings.Contains(err.Error(), "7")
	word := rand.String(12)
	if err := run(&o.Echo, Command{Stdin: "echo heard " + word + "\n", Run: []string{"sh"}}); err != nil {
		return err
	}
	if o.Echo == "heard "+word {
		o.Echo = "heard"
	}
	return run(&o.Terminal, Command{TTY: true, Run: []string{"tty"}})
}

func (o shelled) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A command is run in a container; its output and its failure come back", "컨테이너에서 명령을 실행하고 출력과 실패를 돌려받는다"),
			o.Pod != "" && o.Hostname == o.Pod && o.Failed, "hostname says %q; exit code 7 was passed on: %v", o.Hostname, o.Failed),
		claim(1, text("A shell takes what is typed", "셸이 입력을 받는다"), o.Echo == "heard", "%q", o.Echo),
		claim(1, text("It has a terminal", "터미널이 있다"), strings.HasPrefix(o.Terminal, "/dev/"), "%q", o.Terminal),
	}
}
