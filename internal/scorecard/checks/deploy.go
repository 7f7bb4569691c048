package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"naru.dev/naru/internal/scorecard"
)

func buildAndDeploy(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[deployed]{row: "A02", limit: medium, observe: observeDeployed, judge: deployed.judge}.check(lab),
		inProject[recreated]{row: "A03", limit: medium, observe: observeRecreated, judge: recreated.judge}.check(lab),
		inProject[rolled]{row: "A04", limit: medium, observe: observeRolled, judge: rolled.judge}.check(lab),
		inProject[rolledBack]{row: "A05", limit: medium, observe: observeRolledBack, judge: rolledBack.judge}.check(lab),
		inProject[blueGreen]{row: "A06", limit: medium, observe: observeBlueGreen, judge: blueGreen.judge}.check(lab),
		lab.shares().row(lab, trial[shares]{row: "A07", judge: shares.canary}),
	}
}

// deployed is A02: an application from an image.
type deployed struct {
	Pod, Digest string
	Answer      reply
	// Refused is what the pod of an image that does not exist says.
	Refused string
	// Pinned is the pod that ran the image by its digest.
	Pinned string
}

func observeDeployed(ctx context.Context, p *project, o *deployed) error {
	if err := p.create(ctx, p.appDeployment("app", "first", 1)); err != nil {
		return err
	}
	if err := errors.Join(p.expose(ctx, "app"), p.client(ctx, "client")); err != nil {
		return err
	}
	pods, err := p.pods(ctx, "app")
	if err != nil || len(pods) != 1 {
		return errors.Join(fmt.Errorf("there are %d pods", len(pods)), err)
	}
	o.Pod = pods[0].Name
	if statuses := pods[0].Status.ContainerStatuses; len(statuses) > 0 {
		o.Digest = statuses[0].ImageID
	}
	err = p.answers(ctx, "client", "http://app/", func(answer string) bool {
		var ok bool
		o.Answer, ok = parseReply(answer)
		return ok
	})
	if err != nil {
		return err
	}
	if err := o.refuse(ctx, p); err != nil {
		return err
	}
	if !strings.Contains(o.Digest, "@sha256:") {
		return fmt.Errorf("the image's digest is not known: %q", o.Digest)
	}
	pinned := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "pinned"}, Spec: p.appPod("pinned")}
	pinned.Spec.Containers[0].Image = strings.TrimPrefix(o.Digest, "docker-pullable://")
	if err := p.start(ctx, pinned); err != nil {
		return err
	}
	o.Pinned = pinned.Name
	return nil
}

// refuse asks for an image that does not exist: an application that runs without its image would be none.
func (o *deployed) refuse(ctx context.Context, p *project) error {
	wrong := p.shellPod("wrong", sleeper)
	wrong.Spec.Containers[0].Image = p.App + "-does-not-exist"
	if err := p.submit(ctx, wrong); err != nil {
		return err
	}
	return await(ctx, "word of the image that does not exist", time.Minute, func(ctx context.Context) error {
		pod, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, wrong.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		why := podTrouble(*pod)
		if !strings.Contains(why, "Pull") {
			return errors.New(why)
		}
		o.Refused = why
		p.log.Add("run pod wrong --image="+wrong.Spec.Containers[0].Image, why)
		return nil
	})
}

func (o deployed) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(3, text("An application is deployed from an image and answers through its Service", "이미지로 애플리케이션을 배포하고 서비스를 통해 응답한다"),
			o.Pod != "" && o.Answer.Pod == o.Pod && o.Answer.Marker == "first", "pod %s, answered by %s", o.Pod, o.Answer.Pod),
		claim(1, text("It is deployed by the image's digest", "이미지 다이제스트로 배포한다"), o.Pinned != "" && o.Digest != "", "%s", o.Digest),
		claim(1, text("An image that does not exist is refused with a reason", "존재하지 않는 이미지는 이유와 함께 거부된다"), o.Refused != "", "%s", o.Refused),
	}
}

// recreated is A03.
type recreated struct {
	// Samples is how often the pods were looked at, Overlaps how often pods of both versions were there.
	Samples, Overlaps int
	Done              bool
	Answer            reply
}

func observeRecreated(ctx context.Context, p *project, o *recreated) error {
	app := p.appDeployment("app", "old", 2)
	app.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	if err := p.create(ctx, app); err != nil {
		return err
	}
	if err := errors.Join(p.expose(ctx, "app"), p.client(ctx, "client")); err != nil {
		return err
	}
	if err := p.setMarker(ctx, "app", "new"); err != nil {
		return err
	}
	err := await(ctx, "the new version", 90*time.Second, func(ctx context.Context) error {
		pods, err := p.Kube.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: appLabel + "=app"})
		if err != nil {
			return err
		}
		versions, fresh := map[string]int{}, 0
		for _, pod := range pods.Items {
			if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
				continue // its containers have ended; only the object is still there
			}
			version := pod.Spec.Containers[0].Env[0].Value
			if versions[version]++; version == "new" && ready(pod) {
				fresh++
			}
		}
		o.Samples++
		if versions["old"] > 0 && versions["new"] > 0 {
			o.Overlaps++
		}
		if fresh < 2 {
			return fmt.Errorf("pods by version: %v", versions)
		}
		return nil
	})
	p.log.Add("get pods, several times a second", outcome(err, fmt.Sprintf("%d times; %d times both versions were there", o.Samples, o.Overlaps)))
	if err != nil {
		return err
	}
	o.Done = true
	return p.answers(ctx, "client", "http://app/", func(answer string) bool {
		var ok bool
		o.Answer, ok = parseReply(answer)
		return ok
	})
}

func (o recreated) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("The old version is gone before the new one starts", "새 버전이 시작되기 전에 이전 버전이 모두 종료된다"), o.Done && o.Samples > 1 && o.Overlaps == 0, "looked %d times, both were there %d times", o.Samples, o.Overlaps),
		claim(0.5, text("The new version answers", "새 버전이 응답한다"), o.Answer.Marker == "new", "%+v", o.Answer),
	}
}

// rolled is A04.
type rolled struct {
	Seen seen
	Done bool
}

func observeRolled(ctx context.Context, p *project, o *rolled) error {
	app := p.appDeployment("app", "old", 3)
	app.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}}
	asking, err := p.underRequests(ctx, app)
	if err != nil {
		return err
	}
	if err := p.setMarker(ctx, "app", "new"); err != nil {
		return err
	}
	err = p.rolledOut(ctx, "app", 2*time.Minute)
	o.Done = err == nil
	var stopErr error
	o.Seen, stopErr = asking.stop(ctx)
	return errors.Join(err, stopErr)
}

// underRequests runs an application that is asked without pause.
func (p *project) underRequests(ctx context.Context, app *appsv1.Deployment) (*requests, error) {
	if err := p.create(ctx, app); err != nil {
		return nil, err
	}
	if err := errors.Join(p.expose(ctx, app.Name), p.client(ctx, "client")); err != nil {
		return nil, err
	}
	marker := app.Spec.Template.Spec.Containers[0].Env[0].Value
	if err := p.answers(ctx, "client", "http://"+app.Name+"/", marked(marker)); err != nil {
		return nil, err
	}
	return p.request(ctx, "client", "http://"+app.Name+"/")
}

// fewestRequests is how many requests prove something.
const fewestRequests = 20

func (o rolled) judge() []scorecard.Claim {
	last := ""
	if n := len(o.Seen.Order); n > 0 {
		last = o.Seen.Order[n-1]
	}
	mixed := count(o.Seen.Replies, "old") > 0 && count(o.Seen.Replies, "new") > 0
	return []scorecard.Claim{
		claim(0.5, text("Pods are replaced one after the other, until the new version alone answers", "파드가 차례로 교체되어 새 버전만 응답하게 된다"), o.Done && mixed && last == "new", "%v", o.Seen),
		claim(0.5, text("No request fails meanwhile", "그동안 실패하는 요청이 없다"), o.Done && mixed && o.Seen.Total() >= fewestRequests && o.Seen.Failed == 0, "%d of %d failed", o.Seen.Failed, o.Seen.Total()),
	}
}

// rolledBack is A05.
type rolledBack struct {
	// Broken tells that a version that never gets ready was rolled out, Served what was answered meanwhile.
	Broken bool
	Served seen
	// First and Active are the ReplicaSets of the first version and of the present one after the rollback.
	First, Active string
	Answer        reply
}

func observeRolledBack(ctx context.Context, p *project, o *rolledBack) error {
	asking, err := p.underRequests(ctx, p.appDeployment("app", "good", 2))
	if err != nil {
		return err
	}
	if o.First, err = p.activeSet(ctx, "app"); err != nil {
		return err
	}
	err = p.change(ctx, "app", "roll out a version that never gets ready", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: markerVariable, Value: "bad"}}
		d.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path = "/nothing"
	})
	if err != nil {
		return err
	}
	err = await(ctx, "a pod of the bad version", podTime, func(ctx context.Context) error {
		set, err := p.activeSet(ctx, "app")
		if err == nil && set == o.First {
			err = errors.New("it was not rolled out yet")
		}
		return err
	})
	if err == nil {
		err = settle(ctx, 4*time.Second)
	}
	o.Broken = err == nil
	if err := errors.Join(err, p.undo(ctx, "app", o.First)); err != nil {
		return err
	}
	if err := p.rolledOut(ctx, "app", 90*time.Second); err != nil {
		return err
	}
	var stopErr error
	if o.Served, stopErr = asking.stop(ctx); stopErr != nil {
		return stopErr
	}
	if o.Active, err = p.activeSet(ctx, "app"); err != nil {
		return err
	}
	return p.answers(ctx, "client", "http://app/", func(answer string) bool {
		var ok bool
		o.Answer, ok = parseReply(answer)
		return ok
	})
}

const revisionAnnotation = "deployment.kubernetes.io/revision"

// activeSet is the ReplicaSet of a deployment's present revision.
func (p *project) activeSet(ctx context.Context, name string) (string, error) {
	d, err := p.Kube.AppsV1().Deployments(p.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading deployment %s: %w", name, err)
	}
	sets, err := p.Kube.AppsV1().ReplicaSets(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: appLabel + "=" + name})
	if err != nil {
		return "", fmt.Errorf("listing the revisions of %s: %w", name, err)
	}
	for _, set := range sets.Items {
		if r := set.Annotations[revisionAnnotation]; r != "" && r == d.Annotations[revisionAnnotation] && d.Status.ObservedGeneration >= d.Generation {
			return set.Name, nil
		}
	}
	return "", errors.New("the deployment has no revision yet")
}

// undo puts the template of an earlier revision back, as `kubectl rollout undo` does.
func (p *project) undo(ctx context.Context, name, set string) error {
	earlier, err := p.Kube.AppsV1().ReplicaSets(p.namespace).Get(ctx, set, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the earlier revision: %w", err)
	}
	template := earlier.Spec.Template.DeepCopy()
	delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return p.change(ctx, name, "rollout undo to "+set, func(d *appsv1.Deployment) { d.Spec.Template = *template })
}

func (o rolledBack) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("While a bad version is rolled out, the good one answers every request", "잘못된 버전이 배포되는 동안 이전 버전이 모든 요청에 응답한다"),
			o.Broken && o.Served.Total() >= fewestRequests && o.Served.Failed == 0 && count(o.Served.Replies, "good") == o.Served.Total(), "%v", o.Served),
		claim(0.5, text("A rollback brings the earlier revision back", "롤백하면 이전 리비전으로 돌아간다"),
			o.First != "" && o.Active == o.First && o.Answer.Marker == "good", "revision %s before, %s after", o.First, o.Active),
	}
}
