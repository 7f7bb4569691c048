package checks

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/scorecard"
)

// pipelineTime bounds one run of a pipeline.
const pipelineTime = 90 * time.Second

// piped is A23: Jobs whose steps are containers that run one after the other.
type piped struct {
	// First, Broken and Changed are what the runs have written: of a pipeline, of one whose second step fails, and of one
	// that has a step more.
	First, Broken, Changed string
	// Stopped tells that the broken run was said to have failed.
	Stopped bool
}

// step appends its name to the file that the steps hand on. The last one prints it.
func step(name string) string { return "echo -n " + name + "' ' >>/tmp/work" }

func observePiped(ctx context.Context, p *project, o *piped) error {
	run := func(name string, into *string, scripts ...string) (bool, error) {
		failed, err := p.runPipeline(ctx, name, scripts)
		if err != nil {
			return failed, err
		}
		*into, err = p.pipelineLog(ctx, name)
		p.log.Add(fmt.Sprintf("create job %s with the steps %q", name, scripts), outcome(err, fmt.Sprintf("failed: %v; printed: %s", failed, *into)))
		return failed, err
	}
	if _, err := run("first", &o.First, step("build"), step("test"), "cat /tmp/work"); err != nil {
		return err
	}
	var err error
	if o.Stopped, err = run("broken", &o.Broken, step("build"), "echo the test fails; exit 1", "cat /tmp/work"); err != nil {
		return err
	}
	_, err = run("changed", &o.Changed, step("build"), step("test"), step("scan"), "cat /tmp/work")
	return err
}

// runPipeline runs a Job whose scripts are its steps, until it ends, and tells whether it failed.
func (p *project) runPipeline(ctx context.Context, name string, scripts []string) (failed bool, err error) {
	pod := p.shellPod(name, scripts[len(scripts)-1])
	var before []corev1.Container
	for i, script := range scripts[:len(scripts)-1] {
		before = append(before, shellContainer(fmt.Sprintf("step-%d", i+1), p.Shell, script))
	}
	pod.Spec.InitContainers = podSpec(nobody, before...).Containers
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       batchv1.JobSpec{BackoffLimit: ptr.To[int32](0), Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}},
	}
	jobs := p.Kube.BatchV1().Jobs(p.namespace)
	if _, err := jobs.Create(ctx, job, metav1.CreateOptions{}); err != nil {
		return false, fmt.Errorf("creating job %s: %w", name, err)
	}
	err = await(ctx, "the end of job "+name, pipelineTime, func(ctx context.Context) error {
		found, err := jobs.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range found.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				failed = c.Type == batchv1.JobFailed
				return nil
			}
		}
		return fmt.Errorf("%d of its pods run", found.Status.Active)
	})
	return failed, err
}

// pipelineLog is what the last step of a run has printed: nothing, if it never ran.
func (p *project) pipelineLog(ctx context.Context, name string) (string, error) {
	pods, err := p.pods(ctx, name)
	if err != nil || len(pods) == 0 {
		return "", err
	}
	for _, status := range pods[0].Status.ContainerStatuses {
		if status.State.Terminated == nil {
			return "", nil
		}
	}
	got, err := p.Kube.CoreV1().Pods(p.namespace).GetLogs(pods[0].Name, &corev1.PodLogOptions{Container: "shell"}).DoRaw(ctx)
	return strings.TrimSpace(string(got)), err
}

func (o piped) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("Steps run one after the other, hand their files on, and one that fails stops those after it", "단계가 차례로 실행되어 파일을 넘기고, 실패한 단계는 이후 단계를 멈춘다"),
			o.First == "build test" && o.Stopped && o.Broken == "", "printed %q; with a step that fails: stopped: %v, printed %q", o.First, o.Stopped, o.Broken),
		claim(0.5, text("The steps are changed by changing the definition", "정의를 바꾸어 단계를 변경한다"), o.First == "build test" && o.Changed == "build test scan", "then printed %q", o.Changed),
		missing(3, text("Pipelines as a service: kept, started by a change of the source, building and deploying", "소스 변경으로 시작되어 빌드·배포하는 파이프라인 서비스")),
	}
}
