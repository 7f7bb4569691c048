package checks

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"naru.dev/naru/internal/scorecard"
)

func stateIn(t *testing.T) *scorecard.State {
	t.Helper()
	state, err := scorecard.OpenState(filepath.Join(t.TempDir(), "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func namespacesOf(t *testing.T, c *Cluster) []string {
	t.Helper()
	list, err := c.Kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, namespace := range list.Items {
		names = append(names, namespace.Name)
	}
	return names
}

func TestLabInSomebodysCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, cluster := stateIn(t), liar{}.cluster("prod")
		lab := &Lab{Keeper: state, Now: time.Now, Open: func(context.Context) (*Cluster, bool, error) { return cluster, false, nil }}
		left, err := lab.project(t.Context(), "A02", scorecard.NewLog(time.Now))
		if err != nil {
			t.Fatal(err)
		}
		hanging, err := lab.project(t.Context(), "A03", scorecard.NewLog(time.Now))
		if err != nil {
			t.Fatal(err)
		}
		want := []scorecard.Leftover{{Kind: scorecard.LeftNamespace, Name: left.namespace, Where: "prod"}, {Kind: scorecard.LeftNamespace, Name: hanging.namespace, Where: "prod"}}
		if diff := cmp.Diff(want, state.Leftovers()); diff != "" {
			t.Errorf("when namespaces are made, it is written down:\n%s", diff)
		}
		left.leave()
		if diff := cmp.Diff([]string{hanging.namespace}, namespacesOf(t, cluster)); diff != "" {
			t.Errorf("when a check leaves, its namespace goes:\n%s", diff)
		}
		// As after Ctrl-C, and with a check that never came back.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lab.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if names := namespacesOf(t, cluster); len(names) > 0 || len(state.Leftovers()) > 0 {
			t.Errorf("when it ends, nothing is left; there are %v, and %v is written down", names, state.Leftovers())
		}
	})
}

func TestLabKeeps(t *testing.T) {
	cluster := liar{}.cluster("prod")
	lab := &Lab{Keep: true, Keeper: stateIn(t), Now: time.Now, Open: func(context.Context) (*Cluster, bool, error) { return cluster, false, nil }}
	p, err := lab.project(t.Context(), "A02", scorecard.NewLog(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	p.leave()
	if err := lab.Close(t.Context()); err != nil || len(namespacesOf(t, cluster)) != 1 {
		t.Errorf("when it is to keep everything, it does; got %v and %v", namespacesOf(t, cluster), err)
	}
}

func TestPlatformRemovesItsOwnClustersOnly(t *testing.T) {
	var ran []string
	p := &Platform{Naru: func(_ context.Context, _ string, args ...string) (Ran, error) {
		ran = append(ran, strings.Join(args, " "))
		return Ran{Stdout: "cluster.naru.dev/prod\ncluster.naru.dev/eval-there\n"}, nil
	}}
	state := stateIn(t)
	for _, name := range []string{"prod", "eval-there", "eval-gone"} {
		if err := state.Leave(scorecard.Leftover{Kind: scorecard.LeftCluster, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	err := (&Lab{Platform: p, Keeper: state}).Sweep(t.Context(), state.Leftovers())
	if err == nil || !strings.Contains(err.Error(), `"prod" is not the evaluation's own`) {
		t.Errorf("when another's cluster is named, it is refused; got %v", err)
	}
	var deleted []string
	for _, command := range ran {
		if strings.HasPrefix(command, "delete") {
			deleted = append(deleted, command)
		}
	}
	if diff := cmp.Diff([]string{"delete cluster eval-there --yes --wait --timeout 5m"}, deleted); diff != "" {
		t.Error(diff)
	}
	if left := state.Leftovers(); len(left) != 1 || left[0].Name != "prod" {
		t.Errorf("what is left is %v", left)
	}
}

func TestPlatformRemovesItsOwnImagesOnly(t *testing.T) {
	var deleted []string
	p := &Platform{Naru: func(_ context.Context, _ string, args ...string) (Ran, error) {
		if args[1] == "delete" {
			deleted = append(deleted, strings.Join(args, " "))
		}
		return Ran{Stdout: "registry.naru.local/hello:1\nregistry.naru.local/naru-evaluate/app:1\nregistry.naru.local/naru-evaluate/app:10\n"}, nil
	}}
	state := stateIn(t)
	// The first was pushed by this run, the others were left by one that ended badly.
	if err := p.noteImage("naru-evaluate/app:1", state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hello:1", "naru-evaluate/app:2"} {
		if err := state.Leave(scorecard.Leftover{Kind: scorecard.LeftImage, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	lab := &Lab{Platform: p, Keeper: state}
	if err := lab.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := lab.Sweep(t.Context(), state.Leftovers())
	if err == nil || !strings.Contains(err.Error(), `"hello:1" is not the evaluation's own`) {
		t.Errorf("when another's image is named, it is refused; got %v", err)
	}
	if diff := cmp.Diff([]string{"image delete naru-evaluate/app:1"}, deleted); diff != "" {
		t.Errorf("when it ends, what it has pushed goes, and what is gone is not asked for:\n%s", diff)
	}
	if left := state.Leftovers(); len(left) != 1 || left[0].Name != "hello:1" {
		t.Errorf("what is left is %v", left)
	}
}

func TestExperimentIsMadeOnce(t *testing.T) {
	lab := &Lab{Keeper: forgetful{}, Now: time.Now, Open: func(context.Context) (*Cluster, bool, error) { return liar{}.cluster("c"), true, nil }}
	times, trouble := 0, errors.New("half of it failed")
	e := &experiment[hostUse]{name: "A01", limit: time.Minute, observe: func(_ context.Context, p *project, o *hostUse) error {
		times++
		o.Nodes, o.Measured = 2, 2
		p.log.Add("look", "two nodes")
		return trouble
	}}
	for _, row := range []string{"P32", "P33"} {
		check := e.row(lab, trial[hostUse]{row: row, judge: hostUse.judge})
		if err := check.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		log := scorecard.NewLog(time.Now)
		claims, err := check.Run(t.Context(), log)
		if points(claims) != 1 || !errors.Is(err, trouble) || len(log.Entries()) != 1 {
			t.Errorf("when an experiment is judged, what was seen counts and its trouble is told; got %v, %v, %v", claims, err, log.Entries())
		}
	}
	if times != 1 {
		t.Errorf("it was made %d times", times)
	}
}

func TestImages(t *testing.T) {
	pulling := func(reason string) func(clienttesting.Action) (bool, runtime.Object, error) {
		return func(a clienttesting.Action) (bool, runtime.Object, error) {
			pod, ok := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
			if ok && pod.Name == "shell" && reason != "" {
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "no such host"}}}}
			} else if ok {
				pretendPod(pod)
			}
			return false, nil, nil
		}
	}
	for name, c := range map[string]struct{ reason, want string }{
		"when an image can't be pulled, it says which flag names another":    {"ErrImagePull", "the image busybox (ErrImagePull no such host): name one that it can pull with --shell-image"},
		"when both are there, it says nothing":                               {"", ""},
		"when a pod waits for something else, it is left to the rows to say": {"ContainerCreating", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := liar{}.cluster("other")
				cluster.Kube.(*fake.Clientset).PrependReactor("create", "pods", pulling(c.reason))
				lab := &Lab{Keeper: forgetful{}, Now: time.Now, Open: func(context.Context) (*Cluster, bool, error) { return cluster, false, nil }}
				err := lab.Images(t.Context())
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v", err)
				}
				if names := namespacesOf(t, cluster); len(names) > 0 {
					t.Errorf("%v are left", names)
				}
			})
		})
	}
}
