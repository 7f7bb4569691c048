package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/progress"
)

func TestSoonest(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	of := func(where string, age, left time.Duration) certificate {
		return certificate{where, &x509.Certificate{NotBefore: now.Add(-age), NotAfter: now.Add(left)}}
	}
	const day = 24 * time.Hour
	cases := map[string]struct {
		certificates []certificate
		note, err    string
	}{
		"when all are fresh, it names the first to end": {[]certificate{of("a", day, 300*day), of("b", day, 90*day)}, "2, the first to end is b, in 90d", ""},
		"when one is in its last tenth, it fails":       {[]certificate{of("a", day, 300*day), of("b", 89*day, 9*day)}, "", "b ends in 9d and was not renewed"},
		"when one has ended, it fails":                  {[]certificate{of("a", 90*day, -2*day)}, "", "a has ended 2d ago"},
		"when there is none, it fails":                  {nil, "", "there is none"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			note, err := soonest(now, c.certificates)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if note != c.note || text != c.err {
				t.Errorf("got %q, %q", note, text)
			}
		})
	}
}

func TestFailedParts(t *testing.T) {
	err := failedParts([]byte("[+]ping ok\n[-]etcd failed: reason withheld\n[-]kms failed\nreadyz check failed\n"))
	if err == nil || err.Error() != "etcd failed: reason withheld, kms failed" {
		t.Errorf("when parts have failed, it names %v", err)
	}
	if err := failedParts([]byte("ok")); err != nil {
		t.Errorf("when none has failed, it names %v", err)
	}
}

func TestPodTrouble(t *testing.T) {
	waiting := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
		{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}}
	unscheduled := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}}}
	for want, pod := range map[string]corev1.Pod{
		"ImagePullBackOff no such image": waiting, "0/1 nodes are available": unscheduled,
		"it is Pending": {Status: corev1.PodStatus{Phase: corev1.PodPending}},
	} {
		if got := podTrouble(pod); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSuite(t *testing.T) {
	v := &Verifier{Progress: progress.Silent(), Now: func() time.Time { return time.Unix(0, 0) }}
	t.Run("when the user interrupts, the check that ran says so and no other is made", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := v.suite("prod")
		s.check(ctx, "one", time.Minute, func(ctx context.Context) (string, error) {
			cancel()
			return eventually(ctx, func(context.Context) (string, error) { return "", errors.New("not yet") })
		})
		s.check(ctx, "two", time.Minute, func(context.Context) (string, error) { t.Error("it was made"); return "", nil })
		got := []string{}
		for _, r := range s.results {
			got = append(got, r.Name+": "+r.Err.Error())
		}
		if diff := cmp.Diff([]string{"one: interrupted"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when time is up, the last real reason is given, not the end of the time", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		tries := 0
		_, err := eventually(ctx, func(ctx context.Context) (string, error) {
			if tries++; tries == 1 {
				return "", errors.New("pod is not ready")
			}
			<-ctx.Done()
			return "", ctx.Err()
		})
		if err == nil || !strings.Contains(err.Error(), "pod is not ready") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReplaced(t *testing.T) {
	controller := true
	of := func(phase corev1.PodPhase, kind string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: kind, Controller: &controller}}}, Status: corev1.PodStatus{Phase: phase}}
	}
	if !replaced(of(corev1.PodFailed, "ReplicaSet")) {
		t.Error("when a ReplicaSet's pod has failed, another has its place")
	}
	for _, pod := range []corev1.Pod{of(corev1.PodPending, "ReplicaSet"), of(corev1.PodFailed, "Job"), {Status: corev1.PodStatus{Phase: corev1.PodFailed}}} {
		if replaced(pod) {
			t.Errorf("nothing replaces %v of %v", pod.Status.Phase, pod.OwnerReferences)
		}
	}
}
