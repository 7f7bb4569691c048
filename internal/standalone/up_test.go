package standalone

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/standalone/layout"
)

func TestDecideHosts(t *testing.T) {
	cases := map[string]struct {
		existing, asked int
		running         bool
		want            int
		fails           string
	}{
		"when nothing is asked for on a fresh machine, one host":          {want: 1},
		"when three are asked for on a fresh machine, three":              {asked: 3, want: 3},
		"when nothing is asked for, as many as there were":                {existing: 3, want: 3},
		"when as many as there are is asked for, that is fine":            {existing: 3, asked: 3, running: true, want: 3},
		"when more are asked for while it is down, it grows":              {existing: 1, asked: 3, want: 3},
		"when more are asked for while it runs, it says what to do":       {existing: 1, asked: 3, running: true, fails: "naru down"},
		"when fewer are asked for, it says what that would take":          {existing: 3, asked: 1, fails: "naru down --purge"},
		"when more are asked for than there can be, it says how many":     {asked: 4, fails: "1 to 3"},
		"when a negative number is asked for, it says how many there are": {asked: -1, fails: "1 to 3"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			state := layout.State(t.TempDir())
			if c.existing > 0 {
				if err := state.WriteSpec(layout.Spec{Hosts: c.existing}); err != nil {
					t.Fatal(err)
				}
			}
			got, err := decideHosts(Options{State: state, Hosts: c.asked}, c.running)
			if c.fails == "" && (err != nil || got != c.want) {
				t.Errorf("got %d, %v; want %d", got, err, c.want)
			}
			if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("got %v, want an error that says %q", err, c.fails)
			}
		})
	}
}

func node(name string, ready corev1.ConditionStatus) corev1.Node {
	return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Message: "network is not ready"}}}}
}

func TestReadyNodes(t *testing.T) {
	if err := readyNodes([]corev1.Node{node("host-1", corev1.ConditionTrue)}, 1); err != nil {
		t.Errorf("when all are ready, it says nothing: %v", err)
	}
	err := readyNodes([]corev1.Node{node("host-1", corev1.ConditionTrue), node("host-2", corev1.ConditionFalse)}, 2)
	if err == nil || !strings.Contains(err.Error(), "host-2") || !strings.Contains(err.Error(), "network is not ready") {
		t.Errorf("when one is not ready, it says which and why: %v", err)
	}
	if err := readyNodes([]corev1.Node{node("host-1", corev1.ConditionTrue)}, 3); err == nil || !strings.Contains(err.Error(), "1 of 3") {
		t.Errorf("when some are missing, it says how many: %v", err)
	}
}

func TestAvailable(t *testing.T) {
	two := int32(2)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "registry", Generation: 4},
		Spec:   appsv1.DeploymentSpec{Replicas: &two},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 4, UpdatedReplicas: 2, AvailableReplicas: 2}}
	if err := available(d); err != nil {
		t.Errorf("when it is rolled out, it says nothing: %v", err)
	}
	d.Generation = 5
	if available(d) == nil {
		t.Error("when the last change was not seen yet, it is not rolled out")
	}
	d.Generation, d.Status.UpdatedReplicas = 4, 1
	if available(d) == nil {
		t.Error("when an old pod is still there, it is not rolled out")
	}
}

func TestPurgeRefusesForeignFolders(t *testing.T) {
	state := layout.State(t.TempDir())
	if err := layout.WriteFile(string(state)+"/precious", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := purge(state); err == nil || !strings.Contains(err.Error(), "does not look like Naru's") {
		t.Errorf("when a folder is not marked, it is not deleted: %v", err)
	}
	if !exists(string(state) + "/precious") {
		t.Error("when a folder is not marked, its files stay")
	}
	if err := layout.WriteFile(state.Marker(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := purge(state); err != nil || exists(string(state)) {
		t.Errorf("when a folder is marked, all of it goes: %v", err)
	}
}
