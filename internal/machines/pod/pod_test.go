package pod

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/machines"
	"naru.dev/naru/internal/machines/conformance"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRenderGolden(t *testing.T) {
	zoned := conformance.Machine("demo", "workers-1a2b3c4d")
	zoned.Spec.Zone = "naru-1a"
	for name, machine := range map[string]*v1alpha1.Machine{
		"zoned":   zoned,
		"anyzone": conformance.Machine("demo", "workers-1a2b3c4d"),
	} {
		t.Run(name, func(t *testing.T) {
			secret, pod := Render(machines.Blueprint{Machine: machine, Class: conformance.Class(), Files: map[string][]byte{"node.json": []byte("{}")}})
			var got bytes.Buffer
			for _, object := range []any{secret, pod} {
				text, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(text)
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("when a machine is rendered, it is as in %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	runningStatus := []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	waiting := []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
	deleted := metav1.NewTime(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	for name, c := range map[string]struct {
		pod     corev1.Pod
		phase   machines.Phase
		message string
	}{
		"when no host fits, it is pending and says why": {
			corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available"}}}},
			machines.Pending, "its pod finds no host: Unschedulable: 0/3 nodes are available"},
		"when the image can't be pulled, it is pending and says why": {
			corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting}},
			machines.Pending, "its container waits: ImagePullBackOff: no such image"},
		"when the container runs without an address yet, it is pending": {
			corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: runningStatus}}, machines.Pending, "its pod is starting"},
		"when the container runs and has an address, it runs": {
			corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: runningStatus, PodIP: "100.64.1.2"}}, machines.Running, ""},
		"when the pod was evicted, it is lost": {
			corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "disk pressure"}},
			machines.Lost, "its pod has ended: Evicted: disk pressure"},
		"when somebody deleted the pod, it is lost though it still runs": {
			corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deleted}, Status: corev1.PodStatus{ContainerStatuses: runningStatus, PodIP: "100.64.1.2"}},
			machines.Lost, "its pod was deleted at 2026-11-22T10:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			got := observe(&c.pod, "")
			if got.Phase != c.phase || got.Message != c.message {
				t.Errorf("got %s %q, want %s %q", got.Phase, got.Message, c.phase, c.message)
			}
		})
	}
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func hostNode(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "host-1", Labels: map[string]string{corev1.LabelTopologyZone: "naru-1a"}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Subject {
		hosting := fake.NewClientBuilder().WithScheme(scheme(t)).WithStatusSubresource(&corev1.Pod{}).WithObjects(hostNode(corev1.ConditionTrue)).Build()
		get := func(t *testing.T, key machines.Key) *corev1.Pod {
			var pod corev1.Pod
			if err := hosting.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.Namespace(key.Cluster), Name: key.Name}, &pod); err != nil {
				t.Fatal(err)
			}
			return &pod
		}
		return conformance.Subject{
			Driver:  New(hosting, testclock.NewFakePassiveClock(time.Now())),
			Machine: func(_ *testing.T, name string) *v1alpha1.Machine { return conformance.Machine("demo", name) },
			Start: func(t *testing.T, key machines.Key) {
				pod := get(t, key)
				pod.Spec.NodeName = "host-1"
				if err := hosting.Update(t.Context(), pod); err != nil {
					t.Fatal(err)
				}
				pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "100.64.1.2", ContainerStatuses: []corev1.ContainerStatus{{
					Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}
				if err := hosting.Status().Update(t.Context(), pod); err != nil {
					t.Fatal(err)
				}
			},
			Lose: func(t *testing.T, key machines.Key) {
				if err := hosting.Delete(t.Context(), get(t, key)); err != nil {
					t.Fatal(err)
				}
			},
			Files: func(t *testing.T, key machines.Key) map[string][]byte {
				var secret corev1.Secret
				err := hosting.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.Namespace(key.Cluster), Name: key.Name + "-bootstrap"}, &secret)
				if apierrors.IsNotFound(err) {
					return nil
				} else if err != nil {
					t.Fatal(err)
				}
				return secret.Data
			},
		}
	})
}

func TestDeleteOnLostHost(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		host *corev1.Node
		now  time.Time
		gone bool
	}{
		"when the host is ready, it waits for the host":                     {hostNode(corev1.ConditionTrue), now.Add(time.Hour), false},
		"when the host is lost within the grace period, it waits":           {hostNode(corev1.ConditionUnknown), now.Add(-time.Minute), false},
		"when the host is lost and the grace period is over, it lets it go": {hostNode(corev1.ConditionUnknown), now.Add(time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "m-1", Finalizers: []string{"test/kubelet"}},
				Spec:       corev1.PodSpec{NodeName: "host-1"},
			}
			hosting := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(c.host, pod).Build()
			if err := hosting.Delete(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
			recorder := &deletions{Client: hosting}
			driver := New(recorder, testclock.NewFakePassiveClock(c.now))
			if err := driver.Delete(t.Context(), machines.Key{Cluster: "demo", Name: "m-1"}); err != nil {
				t.Fatal(err)
			}
			if recorder.forced != c.gone {
				t.Errorf("forced: got %v, want %v", recorder.forced, c.gone)
			}
		})
	}
}
