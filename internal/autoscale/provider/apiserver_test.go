package provider

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/nodeclass"
	"naru.dev/naru/test/env"
)

// realHosting is an API server with two machines that were made ahead, and a zone for them.
func realHosting(t *testing.T) client.Client {
	t.Helper()
	outside := runtime.NewScheme()
	for _, err := range []error{v1alpha1.AddToScheme(outside), corev1.AddToScheme(outside)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	hosting, err := client.New(env.Start(t), client.Options{Scheme: outside})
	if err != nil {
		t.Fatal(err)
	}
	node := host("host-2", "naru-1b")
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "naru-demo"}}, machineClass("t3.large", "2", "8Gi"), node, ahead("workers-0"), ahead("workers-1"),
	} {
		if err := hosting.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	node.Status = host("host-2", "naru-1b").Status
	if err := hosting.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	return hosting
}

// What a real API server lets be changed of a Machine: its claim, once.
func TestClaimIsSetOnce(t *testing.T) {
	hosting, inside := realHosting(t), runtime.NewScheme()
	nodeclass.AddToScheme(inside)
	p := New("demo", fake.NewClientBuilder().WithScheme(inside).WithObjects(class(metav1.ConditionTrue)).Build(), hosting, hosting)
	made, err := p.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	if made.Status.ProviderID != "naru://demo/workers-0" {
		t.Fatalf("when a machine was made ahead, it is given to the claim: got %s", made.Status.ProviderID)
	}
	for name, c := range map[string]struct {
		machine string
		change  func(*v1alpha1.MachineSpec)
		refused bool
	}{
		"when a machine is claimed, no other claim can have it": {"workers-0", func(s *v1alpha1.MachineSpec) { s.Claim.UID = "another" }, true},
		"when a machine is claimed, the claim can't leave it":   {"workers-0", func(s *v1alpha1.MachineSpec) { s.Claim = v1alpha1.MachineClaim{} }, true},
		"when a machine is claimed, its labels stay":            {"workers-0", func(s *v1alpha1.MachineSpec) { s.Labels = nil }, true},
		"when a machine is not claimed, its image stays":        {"workers-1", func(s *v1alpha1.MachineSpec) { s.Image = "x/y:1" }, true},
		"when a machine is not claimed, its class stays":        {"workers-1", func(s *v1alpha1.MachineSpec) { s.MachineClass = "m5.large" }, true},
		"when a machine is not claimed, its zone stays":         {"workers-1", func(s *v1alpha1.MachineSpec) { s.Zone = "" }, true},
		"when a machine is not claimed, its group stays":        {"workers-1", func(s *v1alpha1.MachineSpec) { s.NodeGroup = "x" }, true},
		"when a machine is not claimed, a claim brings its labels": {"workers-1", func(s *v1alpha1.MachineSpec) {
			s.Claim.Name, s.Claim.UID, s.Labels = "c", "u", map[string]string{"a": "b"}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			machine := &v1alpha1.Machine{}
			if err := hosting.Get(t.Context(), client.ObjectKey{Namespace: "naru-demo", Name: c.machine}, machine); err != nil {
				t.Fatal(err)
			}
			c.change(&machine.Spec)
			err := hosting.Update(t.Context(), machine, client.DryRunAll)
			if c.refused != apierrors.IsInvalid(err) || !c.refused && err != nil {
				t.Errorf("got %v, refused: want %v", err, c.refused)
			}
		})
	}
}
