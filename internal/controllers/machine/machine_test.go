package machine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/machines"
)

func node(ready corev1.ConditionStatus, providerID string) *corev1.Node {
	return &corev1.Node{
		Spec:   corev1.NodeSpec{ProviderID: providerID},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Message: "the network is not ready"}}},
	}
}

func TestRecord(t *testing.T) {
	running := &machines.Observation{Phase: machines.Running, Address: "100.64.1.2", Host: "host-1", Zone: "naru-1a"}
	for name, c := range map[string]struct {
		scope   scope
		missing string
		want    map[string]string
		message string
	}{
		"when something is missing, it waits for it": {
			scope{}, "the Secret naru-demo/ca is not there yet",
			map[string]string{"Provisioned": "False/Waiting", "Joined": "False/Progressing", "Ready": "False/Waiting"},
			"the Secret naru-demo/ca is not there yet; its node has not registered yet"},
		"when the driver was just asked, it is in progress": {
			scope{}, "",
			map[string]string{"Provisioned": "False/Progressing", "Joined": "False/Progressing", "Ready": "False/Progressing"},
			"the machine was just asked for; its node has not registered yet"},
		"when it is pending, it says what it waits for": {
			scope{seen: &machines.Observation{Phase: machines.Pending, Message: "its pod finds no host"}}, "",
			map[string]string{"Provisioned": "False/Progressing", "Joined": "False/Progressing", "Ready": "False/Progressing"},
			"its pod finds no host; its node has not registered yet"},
		"when it runs without a node, it is provisioned": {
			scope{seen: running}, "",
			map[string]string{"Provisioned": "True/Ready", "Joined": "False/Progressing", "Ready": "False/Progressing"},
			"its node has not registered yet"},
		"when its node is not ready, it says why": {
			scope{seen: running, node: node(corev1.ConditionFalse, "")}, "",
			map[string]string{"Provisioned": "True/Ready", "Joined": "False/Progressing", "Ready": "False/Progressing"},
			"its node is not ready: the network is not ready"},
		"when its node is ready, it is ready": {
			scope{seen: running, node: node(corev1.ConditionTrue, "")}, "",
			map[string]string{"Provisioned": "True/Ready", "Joined": "True/Ready", "Ready": "True/Ready"},
			"the machine runs and its node is ready"},
	} {
		t.Run(name, func(t *testing.T) {
			c.scope.machine = &v1alpha1.Machine{}
			record(&c.scope, c.missing)
			got, message := map[string]string{}, ""
			for _, condition := range c.scope.machine.Status.Conditions {
				got[condition.Type] = string(condition.Status) + "/" + condition.Reason
				if condition.Type == v1alpha1.MachineReady {
					message = condition.Message
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || message != c.message {
				t.Errorf("got %q, want %q (-want +got):\n%s", message, c.message, diff)
			}
		})
	}
}

func TestRecordKeepsAddress(t *testing.T) {
	s := scope{machine: &v1alpha1.Machine{Status: v1alpha1.MachineStatus{Address: "100.64.1.2", Host: "host-1", Zone: "naru-1a"}},
		seen: &machines.Observation{Phase: machines.Pending, Host: "host-1"}}
	record(&s, "")
	if s.machine.Status.Address != "100.64.1.2" {
		t.Errorf("when a machine's host restarts, the address stays until there is another: got %q", s.machine.Status.Address)
	}
	s.seen = &machines.Observation{Phase: machines.Running, Address: "100.64.1.9", Host: "host-1", Zone: "naru-1a"}
	record(&s, "")
	if s.machine.Status.Address != "100.64.1.9" {
		t.Errorf("when a machine has another address, it is noted: got %q", s.machine.Status.Address)
	}
}

func TestLost(t *testing.T) {
	fresh, ran := &v1alpha1.Machine{}, &v1alpha1.Machine{Status: v1alpha1.MachineStatus{Address: "100.64.1.2"}}
	for name, c := range map[string]struct {
		machine *v1alpha1.Machine
		seen    *machines.Observation
		want    bool
	}{
		"when it was never made, it is not lost":            {fresh, nil, false},
		"when it is pending, it is not lost":                {fresh, &machines.Observation{Phase: machines.Pending}, false},
		"when it ended before it ran, it is lost":           {fresh, &machines.Observation{Phase: machines.Lost}, true},
		"when it ran and its host restarts, it is not lost": {ran, &machines.Observation{Phase: machines.Pending}, false},
		"when it ran and nothing of it is left, it is lost": {ran, nil, true},
		"when it ran and is ending by itself, it is lost":   {ran, &machines.Observation{Phase: machines.Lost}, true},
		"when it runs, it is not lost":                      {ran, &machines.Observation{Phase: machines.Running}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lost(c.machine, c.seen); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestNodeRequests(t *testing.T) {
	const id = "naru://demo/workers-1"
	for name, c := range map[string]struct {
		old, object client.Object
		want        string
	}{
		"when a node registers, its machine is woken":           {nil, node(corev1.ConditionFalse, id), "naru-demo/workers-1"},
		"when a node becomes ready, its machine is woken":       {node(corev1.ConditionFalse, id), node(corev1.ConditionTrue, id), "naru-demo/workers-1"},
		"when a node only reports again, its machine sleeps on": {node(corev1.ConditionTrue, id), node(corev1.ConditionTrue, id), ""},
		"when a node is no machine of ours, nothing is woken":   {nil, node(corev1.ConditionTrue, "aws:///x/i-1"), ""},
		"when something else changes, nothing is woken":         {nil, &metav1.PartialObjectMetadata{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, request := range nodeRequests("demo", c.old, c.object) {
				got += request.String()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHolders(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	machine := func(namespace, name string) *v1alpha1.Machine {
		return &v1alpha1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	c := &Controller{hosting: fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(machine("naru-demo", "a"), machine("naru-demo", "b"), machine("naru-other", "c")).Build()}
	for name, test := range map[string]struct {
		namespace, secret string
		want              []string
	}{
		"when kube-proxy's kubeconfig is renewed, all machines of the cluster are woken": {"naru-demo", kubeProxySecret, []string{"naru-demo/a", "naru-demo/b"}},
		"when the agent's kubeconfig is renewed, all machines of the cluster are woken":  {"naru-demo", agentSecret, []string{"naru-demo/a", "naru-demo/b"}},
		"when konnectivity's certificate is renewed, all of them are woken":              {"naru-demo", konnectivitySecret, []string{"naru-demo/a", "naru-demo/b"}},
		"when machines hold no copy, none is woken":                                      {"naru-demo", "kubeconfig-scheduler", nil},
		"when it is no cluster's, none is woken":                                         {v1alpha1.SystemNamespace, caSecret, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: test.namespace, Name: test.secret}}
			for _, request := range c.holders(t.Context(), secret) {
				got = append(got, request.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
