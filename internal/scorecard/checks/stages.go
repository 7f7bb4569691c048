package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

// staged is A34: one project as a namespace a stage.
type staged struct {
	// Found are the stages that are listed of the project.
	Found []string
	// Answers is what the application says in each stage, Settings what it is to say.
	Answers, Settings map[string]string
	// Refused and Taken tell of a second application: where the stage is limited, and where it is not.
	Refused, Taken bool
}

// The labels of a stage.
const (
	projectLabel = namespaceLabel + "-project"
	stageLabel   = namespaceLabel + "-stage"
)

func observeStaged(ctx context.Context, lab *Lab, p *project, o *staged) error {
	o.Answers, o.Settings = map[string]string{}, map[string]string{"development": "for-developers", "production": "for-customers"}
	stages := map[string]*project{}
	for _, stage := range []string{"development", "production"} {
		of, err := lab.project(ctx, "A34", p.log)
		if err != nil {
			return err
		}
		defer of.leave()
		stages[stage] = of
		if err := of.label(ctx, map[string]string{projectLabel: p.namespace, stageLabel: stage}); err != nil {
			return err
		}
		if err := of.configured(ctx, o.Settings[stage]); err != nil {
			return err
		}
		answer, err := of.sh(ctx, "app", "echo $SETTING")
		o.Answers[stage] = strings.TrimSpace(answer)
		p.log.Add("exec "+of.namespace+"/app -- echo $SETTING", outcome(err, o.Answers[stage]))
		if err != nil {
			return err
		}
	}
	list, err := p.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: projectLabel + "=" + p.namespace})
	if err != nil {
		return fmt.Errorf("listing stages: %w", err)
	}
	for _, namespace := range list.Items {
		o.Found = append(o.Found, namespace.Labels[stageLabel])
	}
	slices.Sort(o.Found)
	p.log.Add("get namespaces -l "+projectLabel+"="+p.namespace, strings.Join(o.Found, " "))
	return o.limit(ctx, stages)
}

// limit lets the stage of development have one pod only.
func (o *staged) limit(ctx context.Context, stages map[string]*project) error {
	development := stages["development"]
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "stage"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("1")}}}
	if err := development.limited(ctx, quota); err != nil {
		return err
	}
	refused := development.submit(ctx, development.shellPod("second", sleeper))
	o.Refused = refused != nil && strings.Contains(refused.Error(), "exceeded quota")
	development.log.Add("create pod development/second, beyond its quota", outcome(refused, "taken"))
	taken := stages["production"].submit(ctx, stages["production"].shellPod("second", sleeper))
	o.Taken = taken == nil
	development.log.Add("create pod production/second", outcome(taken, "taken"))
	return nil
}

// label puts labels on the project's namespace.
func (p *project) label(ctx context.Context, labels map[string]string) error {
	namespaces := p.Kube.CoreV1().Namespaces()
	found, err := namespaces.Get(ctx, p.namespace, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading namespace %s: %w", p.namespace, err)
	}
	for key, value := range labels {
		found.Labels[key] = value
	}
	if _, err := namespaces.Update(ctx, found, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("labelling namespace %s: %w", p.namespace, err)
	}
	p.log.Add("label namespace "+p.namespace, fmt.Sprint(labels))
	return nil
}

// configured runs the application of a stage, with the stage's own setting.
func (p *project) configured(ctx context.Context, setting string) error {
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"SETTING": setting}}
	if _, err := p.Kube.CoreV1().ConfigMaps(p.namespace).Create(ctx, settings, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the settings: %w", err)
	}
	app := p.shellPod("app", sleeper)
	app.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	return p.start(ctx, app)
}

func (o staged) judge() []scorecard.Claim {
	own := len(o.Settings) == 2
	for stage, setting := range o.Settings {
		own = own && o.Answers[stage] == setting
	}
	return []scorecard.Claim{
		claim(0.5, text("A project's stages are namespaces that one label finds, each with settings and limits of its own", "프로젝트의 단계는 라벨 하나로 조회되는 네임스페이스이며 각자의 설정과 제한을 가진다"),
			slices.Equal(o.Found, []string{"development", "production"}) && own && o.Refused && o.Taken,
			"stages %v, settings %v; a pod beyond the limit of development refused: %v, of production taken: %v", o.Found, o.Answers, o.Refused, o.Taken),
		missing(0.5, text("A project that knows its stages, and takes an application from one to the next", "단계를 알고 애플리케이션을 다음 단계로 승격하는 프로젝트")),
	}
}

// limited makes a quota and waits until it counts.
func (p *project) limited(ctx context.Context, quota *corev1.ResourceQuota) error {
	quotas := p.Kube.CoreV1().ResourceQuotas(p.namespace)
	if _, err := quotas.Create(ctx, quota, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating a quota: %w", err)
	}
	return await(ctx, "the quota to be counted", quotaTime, func(ctx context.Context) error {
		found, err := quotas.Get(ctx, quota.Name, metav1.GetOptions{})
		if err == nil && len(found.Status.Hard) < len(quota.Spec.Hard) {
			err = errors.New("it has no status yet")
		}
		return err
	})
}
