package machine

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/machines/bootstrap"
)

func cluster(bootstrapped metav1.ConditionStatus) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "demo"},
		Status:     v1alpha1.ClusterStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ClusterBootstrapped, Status: bootstrapped}}},
	}
}

func TestAhead(t *testing.T) {
	unclaimed := &v1alpha1.Machine{}
	claimed := &v1alpha1.Machine{Spec: v1alpha1.MachineSpec{Claim: v1alpha1.MachineClaim{Name: "c", UID: "u"}}}
	for name, c := range map[string]struct {
		scope scope
		want  bool
	}{
		"when a cluster is new and a machine has no claim, it is ahead":      {scope{machine: unclaimed, cluster: cluster(metav1.ConditionFalse)}, true},
		"when nothing is known of a cluster yet, it is ahead":                {scope{machine: unclaimed, cluster: &v1alpha1.Cluster{}}, true},
		"when the cluster answers, its machine is as any":                    {scope{machine: unclaimed, cluster: cluster(metav1.ConditionTrue)}, false},
		"when a machine has a claim, its cluster is down and not new":        {scope{machine: claimed, cluster: cluster(metav1.ConditionFalse)}, false},
		"when the cluster does not exist any more, there is nothing to come": {scope{machine: unclaimed}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.scope.ahead(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A machine's token is chosen before its cluster answers, and is the one that the cluster learns of then.
func TestTokenOfMachineAhead(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	clock := testclock.NewFakePassiveClock(now)
	hosting, inside := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	c := NewController(hosting, nil, nil, clock)
	machine := &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1", UID: "u-1"}}
	s := &scope{machine: machine, cluster: cluster(metav1.ConditionFalse)}
	ask := func() string {
		t.Helper()
		token, err := c.token(t.Context(), s)
		if err != nil || token == "" {
			t.Fatalf("got %d characters, %v", len(token), err)
		}
		return token
	}
	first := ask()
	if ask() != first {
		t.Error("when it is asked again, the token is the same")
	}
	clock.SetTime(now.Add(2 * time.Hour))
	second := ask()
	if second == first {
		t.Error("when the token is over, there is another")
	}
	s.inside = inside
	if again, twice := ask(), ask(); again != second || twice != second {
		t.Error("when the cluster answers, the token is still the same")
	}
	var secret corev1.Secret
	if err := inside.Get(t.Context(), bootstrap.TokenSecretKey("u-1"), &secret); err != nil {
		t.Fatal(err)
	}
	if token, ok := bootstrap.Token(&secret, clock.Now()); !ok || token != second || secret.Type != corev1.SecretTypeBootstrapToken {
		t.Errorf("when the cluster answers, it is told of the token: type %s, good %v", secret.Type, ok)
	}
	err := hosting.Get(t.Context(), client.ObjectKey{Namespace: "naru-demo", Name: "workers-1-token"}, &corev1.Secret{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("when the cluster has the token, it is kept nowhere else: %v", err)
	}
}

func TestTokenOfEarlierMachine(t *testing.T) {
	hosting := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	c := NewController(hosting, nil, nil, testclock.NewFakePassiveClock(time.Now()))
	earlier := &scope{machine: &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1", UID: "u-1"}}}
	if _, err := c.token(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	later := &scope{machine: &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers-1", UID: "u-2"}}}
	if _, err := c.token(t.Context(), later); err == nil {
		t.Error("when an earlier machine's token is still there, it is not taken for this one's")
	}
}
