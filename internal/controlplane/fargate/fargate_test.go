package fargate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/test/env"
	"naru.dev/naru/test/naru"
)

func profile(name string, selectors ...v1alpha1.FargateProfileSelector) v1alpha1.FargateProfile {
	return v1alpha1.FargateProfile{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)}, Spec: v1alpha1.FargateProfileSpec{Selectors: selectors}}
}

func selector(namespace string, labels ...string) v1alpha1.FargateProfileSelector {
	s := v1alpha1.FargateProfileSelector{Namespace: namespace, Labels: map[string]v1alpha1.LabelPattern{}}
	for i := 0; i < len(labels); i += 2 {
		s.Labels[labels[i]] = v1alpha1.LabelPattern(labels[i+1])
	}
	return s
}

func profiles() []v1alpha1.FargateProfile {
	return []v1alpha1.FargateProfile{
		profile("web", selector("web"), selector("team-?-*", "tier", "front", "a.b/c", "v1.*")),
		profile("any", selector("either"), selector("keyed", "app.*/role", "*"), selector("kube-system")),
		profile("later", selector("either")),
		// What kubectl may write, and must stay a text.
		profile("odd", selector("other", `" in {} || true || "`, "x"), selector("other", `*" || true || k.matches("`, `'") || true || ("`)),
	}
}

// world is a cluster that has the policies.
type world struct {
	client.Client
	config *rest.Config
	scheme *runtime.Scheme
}

func newWorld(t *testing.T) world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	config := env.Start(t)
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := world{c, config, scheme}
	for _, name := range []string{"web", "team-1-shop", "team-12-shop", "either", "keyed", "other"} {
		if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if passed := w.passed(t.Context()); passed != "no no no" {
		t.Errorf("probes passed without a policy: %s", passed)
	}
	objects, err := Policies(profiles())
	if err != nil {
		t.Fatal(err)
	}
	if err := apply.Objects(t.Context(), c, objects...); err != nil {
		t.Fatal(err)
	}
	err = naru.Eventually(t.Context(), "the policies to be in force", time.Minute, func(ctx context.Context) error {
		if passed := w.passed(ctx); passed != "yes yes yes" {
			return fmt.Errorf("probes passed: %s", passed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// passed shows the cluster all probes of the last profile that chooses them, and says which ones pass.
func (w world) passed(ctx context.Context) string {
	later := profile("later")
	var said []string
	for _, probe := range Probes(&later) {
		err := w.Create(ctx, probe.Pod, client.DryRunAll)
		said = append(said, map[bool]string{true: "yes", false: "no"}[probe.Passed(probe.Pod, err)])
	}
	return strings.Join(said, " ")
}

func pod(namespace string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "p-"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}}}
	for _, c := range change {
		c(p)
	}
	return p
}

func labelsOf(pairs ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Labels = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			p.Labels[pairs[i]] = pairs[i+1]
		}
	}
}

func tolerant(p *corev1.Pod) {
	p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

func owned(kind, name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: "u"}}
	}
}

// TestPolicies lets a real API server work with the policies.
func TestPolicies(t *testing.T) {
	w := newWorld(t)
	t.Run("which profile chooses a pod", w.testChosen)
	t.Run("what a pod on Fargate can't be", w.testRefused)
	t.Run("who stays away", w.testOthers)
	t.Run("who may send a pod to its machine", w.testGate)
}

func (w world) testChosen(t *testing.T) {
	for reason, test := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"when the namespace is a selector's, it is":                    {pod("web"), "web"},
		"when it is none's, it is not":                                 {pod("other"), ""},
		"when wildcards match and all labels are there, it is":         {pod("team-1-shop", labelsOf("tier", "front", "a.b/c", "v1.2")), "web"},
		"when a dot is to be a dot, another character is none":         {pod("team-1-shop", labelsOf("tier", "front", "a.b/c", "v1x2")), ""},
		"when a question mark would be two characters, it is not":      {pod("team-12-shop", labelsOf("tier", "front", "a.b/c", "v1.2")), ""},
		"when a label is missing, it is not":                           {pod("team-1-shop", labelsOf("tier", "front")), ""},
		"when a key has wildcards, any such label will do":             {pod("keyed", labelsOf("app.x/role", "y")), "any"},
		"when several profiles choose it, it is the first by name":     {pod("either"), "any"},
		"when its own label names one of them, it is that":             {pod("either", labelsOf(v1alpha1.LabelFargateProfile, "later")), "later"},
		"when its own label names one that does not, it is none":       {pod("web", labelsOf(v1alpha1.LabelFargateProfile, "later")), ""},
		"when it is a DaemonSet's, it is not":                          {pod("web", owned("DaemonSet", "x")), ""},
		"when it is really made, a probe's label means nothing":        {pod("kube-system", labelsOf(v1alpha1.LabelFargateProbe, "uid-of-later", v1alpha1.LabelFargateProfile, "later")), ""},
		"when it has selectors, tolerations and gates, they are added": {pod("web", furnished), "web"},
	} {
		t.Run(reason, func(t *testing.T) {
			before := test.pod.DeepCopy()
			if err := w.Create(t.Context(), test.pod); err != nil {
				t.Fatal(err)
			}
			if test.want != "" {
				if !runsBy(test.pod, test.want) || len(test.pod.Spec.NodeSelector) != len(before.Spec.NodeSelector)+1 || len(test.pod.Spec.SchedulingGates) != len(before.Spec.SchedulingGates)+1 {
					t.Errorf("got labels %v, %+v", test.pod.Labels, test.pod.Spec)
				}
				return
			}
			if len(test.pod.Spec.SchedulingGates) > 0 || len(test.pod.Spec.NodeSelector) > 0 {
				t.Errorf("got %+v", test.pod.Spec)
			}
		})
	}
}

func furnished(p *corev1.Pod) {
	p.Spec.NodeSelector = map[string]string{"a": "b"}
	p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "own.dev/gate"}}
	tolerant(p)
}

func (w world) testRefused(t *testing.T) {
	privileged := &corev1.SecurityContext{Privileged: ptr.To(true)}
	for want, change := range map[string]func(*corev1.Pod){
		"SecurityContext fields: Privileged": func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = privileged },
		"fields: Privileged": func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "none", SecurityContext: privileged}}
		},
		"HostNetwork": func(p *corev1.Pod) { p.Spec.HostNetwork = true },
		"HostPID":     func(p *corev1.Pod) { p.Spec.HostPID = true },
		"HostPort": func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		},
		"volumes not supported: root": func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "root", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		},
		"volumes not supported: disk": func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}}}
		},
		"leave " + v1alpha1.LabelFargateProfile: func(p *corev1.Pod) {
			p.Namespace, p.Spec.NodeSelector = "other", map[string]string{v1alpha1.LabelFargateProfile: "web"}
			p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: v1alpha1.FargateGate}}
		},
		v1alpha1.LabelFargatePod + " out of": func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{v1alpha1.LabelFargatePod: "another"} },
	} {
		if err := w.Create(t.Context(), pod("web", change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a pod that is refused because of %q: %v", want, err)
		}
	}
	if err := w.Create(t.Context(), pod("other", func(p *corev1.Pod) { p.Spec.HostNetwork = true })); err != nil {
		t.Errorf("a pod that is none of Fargate's: %v", err)
	}
}

func (w world) testOthers(t *testing.T) {
	terms := func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
			{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n"}}}},
			{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "x", Operator: corev1.NodeSelectorOpExists}}},
		}}}}
	}
	for reason, test := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"when a pod tolerates everything, it stays away":                 {pod("other", tolerant), true},
		"when it has terms of its own, each says so":                     {pod("other", tolerant, terms, owned("DaemonSet", "x")), true},
		"when it has another affinity, that stays":                       {pod("other", tolerant, func(p *corev1.Pod) { p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}} }), true},
		"when it names its node, it stays away":                          {pod("other", func(p *corev1.Pod) { p.Spec.NodeName = "n" }), true},
		"when it is chosen and names its node, it stays away":            {pod("other", tolerant, func(p *corev1.Pod) { p.Spec.NodeName = "n" }), true},
		"when it tolerates another taint, the taint keeps it away":       {pod("other", func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: "x", Operator: "Exists"}} }), false},
		"when it is chosen, it comes":                                    {pod("web", tolerant), false},
		"when it is a DaemonSet's and tolerates all, it stays away":      {pod("kube-system", tolerant, owned("DaemonSet", "logs")), true},
		"when it is what a kubelet mirrors, it is the node's own affair": {pod("other", func(p *corev1.Pod) { p.Spec.NodeName = "n" }, owned("Node", "n")), false},
	} {
		t.Run(reason, func(t *testing.T) {
			if err := w.Create(t.Context(), test.pod, client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			if got := staysAway(test.pod); got != test.want {
				t.Errorf("got %+v", test.pod.Spec.Affinity)
			}
		})
	}
}

func (w world) testGate(t *testing.T) {
	made := pod("web")
	if err := w.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	as := func(user string, groups ...string) client.Client {
		config := rest.CopyConfig(w.config)
		config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
		c, err := client.New(config, client.Options{Scheme: w.scheme})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	send := func(c client.Client) error {
		changed := made.DeepCopy()
		changed.Spec.SchedulingGates = nil
		changed.Spec.NodeSelector[v1alpha1.LabelFargatePod] = string(made.UID)
		return c.Patch(t.Context(), changed, client.MergeFrom(made), client.DryRunAll)
	}
	w.grant(t, "editor", rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{""}, Resources: []string{"pods"}})
	w.grant(t, "naru:karpenter", rbacv1.PolicyRule{Verbs: []string{"create"}, APIGroups: []string{"karpenter.sh"}, Resources: []string{"nodeclaims"}})
	err := naru.Eventually(t.Context(), "the autoscaler to be let", time.Minute, func(context.Context) error { return send(as("naru:karpenter")) })
	if err != nil {
		t.Error(err)
	}
	err = naru.Eventually(t.Context(), "the policy to refuse an editor", time.Minute, func(context.Context) error {
		if err := send(as("editor")); err == nil || !strings.Contains(err.Error(), "waits for a machine of its own") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	ordinary := pod("other")
	if err := w.Create(t.Context(), ordinary); err != nil {
		t.Fatal(err)
	}
	changed := ordinary.DeepCopy()
	changed.Labels = map[string]string{"a": "b"}
	if err := as("naru:karpenter").Patch(t.Context(), changed, client.MergeFrom(ordinary)); err == nil || !strings.Contains(err.Error(), "on Fargate only") {
		t.Errorf("when the autoscaler changes another pod: %v", err)
	}
}

func (w world) grant(t *testing.T, user string, rule rbacv1.PolicyRule) {
	t.Helper()
	name := "test-" + strings.ReplaceAll(user, ":", "-")
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{rule}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}},
	} {
		if err := w.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
