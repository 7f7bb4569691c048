package checks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"naru.dev/naru/internal/probe"
	"naru.dev/naru/internal/scorecard"
)

// liar is a platform that takes everything and does nothing. What it says is up to it.
type liar struct {
	// ready claims of each pod and each deployment that it runs.
	ready bool
	exec  Exec
	naru  Naru
	raw   string
	probe probe.Report
}

var errDead = errors.New("nobody is there")

func (l liar) cluster(name string) *Cluster {
	kube := fake.NewClientset(node("node-a"), node("node-b"))
	if l.ready {
		kube.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if pod, ok := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod); ok {
				pretendPod(pod)
			}
			return false, nil, nil
		})
		for _, verb := range []string{"create", "update"} {
			kube.PrependReactor(verb, "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
				if d, ok := a.(clienttesting.CreateAction).GetObject().(*appsv1.Deployment); ok {
					n := *d.Spec.Replicas
					d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n}
				}
				return false, nil, nil
			})
		}
	}
	kube.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "token" {
			return false, nil, nil
		}
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: "anybody"}}, nil
	})
	return &Cluster{
		Name: name, Kube: kube, App: "hello", Shell: "busybox", Exec: l.exec,
		Raw: func(context.Context, string) ([]byte, error) {
			if l.raw == "" {
				return nil, errDead
			}
			return []byte(l.raw), nil
		},
		As:      func(string) (kubernetes.Interface, error) { return kube, nil },
		Forward: func(ctx context.Context, _, _ string, _ int) (string, error) { return l.exec(ctx, Command{}) },
		Probe:   func(context.Context, string) (Prober, error) { return prober{l.probe}, nil },
	}
}

type prober struct{ report probe.Report }

func (p prober) Stop() probe.Report { return p.report }

func pretendPod(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		pod.Spec.NodeName = "node-a"
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "10.1.2.3"
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Ready: true, ImageID: "hello@sha256:1234"})
	}
}

func node(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			NodeInfo:   corev1.NodeSystemInfo{OSImage: "An OS"},
		},
	}
}

type forgetful struct{}

func (forgetful) Leave(scorecard.Leftover) error   { return nil }
func (forgetful) Cleared(scorecard.Leftover) error { return nil }

// anybody are accounts of which each may do what the administrator may.
type anybody struct{ naru Naru }

func (a anybody) Create(context.Context, string, string) (Naru, error) { return a.naru, nil }
func (anybody) Lock(context.Context, string) error                     { return nil }
func (anybody) Delete(context.Context, string) error                   { return nil }

func (l liar) lab() *Lab {
	p := &Platform{
		Naru: l.naru, Hosting: l.cluster("hosting"),
		Connect:  func(_ context.Context, name string) (*Cluster, error) { return l.cluster(name), nil },
		Login:    func(string) (*Cluster, error) { return l.cluster("again"), nil },
		Image:    func(context.Context, string) (string, error) { return "/does/not/exist", nil },
		Accounts: anybody{l.naru},
	}
	lab := &Lab{Platform: p, Keeper: forgetful{}, Now: time.Now}
	lab.Open = lab.CreateMain
	return lab
}

// liars are the ways in which a platform is broken or lies. On none of them does any row get a point.
func liars() map[string]liar {
	says := func(text string) Exec { return func(context.Context, Command) (string, error) { return text, nil } }
	yes := func(stdout string) Naru {
		return func(_ context.Context, _ string, args ...string) (Ran, error) {
			if strings.Contains(strings.Join(args, " "), "--dry-run") {
				return Ran{Command: "naru", Stdout: "kind: Cluster\nmin: 1\n"}, nil
			}
			return Ran{Command: "naru", Stdout: stdout}, nil
		}
	}
	dead := func(context.Context, Command) (string, error) { return "", errDead }
	return map[string]liar{
		"when nothing works": {exec: dead, naru: func(context.Context, string, ...string) (Ran, error) { return Ran{Code: 1}, errDead }},
		"when every command hangs": {
			ready: true, exec: func(ctx context.Context, _ Command) (string, error) { <-ctx.Done(); return "", ctx.Err() },
			naru: func(ctx context.Context, _ string, args ...string) (Ran, error) {
				if args[0] == "create" || args[0] == "apply" {
					return Ran{Command: "naru", Stdout: "kind: Cluster\n"}, nil
				}
				<-ctx.Done()
				return Ran{Code: -1}, ctx.Err()
			}},
		"when naru says that all is done, and nothing runs":              {exec: dead, naru: yes("")},
		"when all pods are said to be ready, and commands print nothing": {ready: true, exec: says(""), naru: yes(""), raw: "{}"},
		"when every command is answered by the same application": {
			ready: true, exec: says("Hello from app-1, version 1, on node first\n"), naru: yes("release.naru.dev/1.37"), raw: `{"gitVersion":"v1.20.1"}`},
		"when every way is said to be closed":     {ready: true, exec: says("exit 1"), naru: yes("ok"), raw: `{"items":[{}]}`},
		"when every way is said to be open":       {ready: true, exec: says("page"), naru: yes("FAILED"), raw: `[]`},
		"when every command prints a high number": {ready: true, exec: says("999999"), naru: yes("999999"), raw: "999999"},
	}
}

func TestOnABrokenPlatformNoRowGetsAPoint(t *testing.T) {
	for name, l := range liars() {
		t.Run(name, func(t *testing.T) {
			for _, check := range All(l.lab()) {
				t.Run(check.Row, func(t *testing.T) {
					// In a bubble the checks' full limits take no time.
					synctest.Test(t, func(t *testing.T) { wantNothing(t, l, check.Row) })
				})
			}
		})
	}
}

func wantNothing(t *testing.T, l liar, row string) {
	t.Helper()
	for _, check := range All(l.lab()) {
		if check.Row != row {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), check.Limit)
		defer cancel()
		if check.Prepare != nil && check.Prepare(ctx) != nil {
			return // its row fails
		}
		log := scorecard.NewLog(time.Now)
		claims, err := check.Run(ctx, log)
		for _, claim := range claims {
			if claim.Held {
				t.Errorf("it held %q: %s\n%v\n%v", claim.Text.EN, claim.Why, err, log.Entries())
			}
		}
	}
}

func TestClaims(t *testing.T) {
	checked := map[string]bool{}
	for _, check := range All(liars()["when nothing works"].lab()) {
		rows, err := scorecard.Select([]string{check.Row}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if checked[check.Row] {
			t.Errorf("row %s has two checks", check.Row)
		}
		checked[check.Row] = true
		sum := 0.0
		for _, claim := range check.Unseen() {
			sum += claim.Points
			if claim.Held {
				t.Errorf("%s: when nothing was observed, it holds %q", check.Row, claim.Text.EN)
			}
			if claim.Text.EN == "" || claim.Text.KO == "" || claim.Points <= 0 {
				t.Errorf("%s: a claim lacks a language or points: %+v", check.Row, claim)
			}
		}
		if sum != float64(rows[0].Weight) {
			t.Errorf("%s: its claims are worth %g points, the row %d", check.Row, sum, rows[0].Weight)
		}
		if check.Limit <= 0 {
			t.Errorf("%s has no limit", check.Row)
		}
	}
	for _, row := range strings.Fields("P04 P05 P06 P07 P08 P11 P16 P17 P19 P21 P23 P24 P28 P31 P36 P37 P39 A02 A03 A04 A05 A11 A13 A15 A16 A18 A21 A22 A23 A24 A34 A35 A37 A38 A39 A41") {
		if !checked[row] {
			t.Errorf("row %s has no check", row)
		}
	}
}
