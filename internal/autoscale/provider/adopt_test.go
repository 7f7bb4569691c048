package provider

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"naru.dev/naru/api/v1alpha1"
)

func ahead(name string, change ...func(*v1alpha1.Machine)) *v1alpha1.Machine {
	machine := &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: name, Finalizers: []string{v1alpha1.Finalizer}},
		Spec: v1alpha1.MachineSpec{NodeGroup: "workers", MachineClass: "t3.large", Zone: "naru-1b", Image: image,
			Taints: []corev1.Taint{karpenter.UnregisteredNoExecuteTaint}},
	}
	for _, c := range change {
		c(machine)
	}
	return machine
}

func TestCreateAdopts(t *testing.T) {
	elsewhere := claim("workers-abcde")
	elsewhere.Spec.Requirements = []karpenter.NodeSelectorRequirementWithMinValues{{
		Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"naru-1a"}}}
	for name, c := range map[string]struct {
		machine *v1alpha1.Machine
		claim   *karpenter.NodeClaim
		adopts  bool
	}{
		"when a machine was made ahead, the claim gets it":     {ahead("workers-0"), claim("workers-abcde"), true},
		"when it is another group's, the claim gets a new one": {ahead("m-0", func(m *v1alpha1.Machine) { m.Spec.NodeGroup = "x" }), claim("workers-abcde"), false},
		"when its image is old, the claim gets a new one":      {ahead("m-0", func(m *v1alpha1.Machine) { m.Spec.Image = "x/y:1" }), claim("workers-abcde"), false},
		"when its class is not wanted, the claim gets another": {ahead("m-0", func(m *v1alpha1.Machine) { m.Spec.MachineClass = "m5.large" }), claim("workers-abcde"), false},
		"when it is in another zone, the claim gets a new one": {ahead("m-0"), elsewhere, false},
		"when it serves another, the claim gets a new one":     {ahead("m-0", func(m *v1alpha1.Machine) { m.Spec.Claim = v1alpha1.MachineClaim{Name: "x", UID: "y"} }), claim("workers-abcde"), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
			if err := w.hosting.Create(t.Context(), c.machine); err != nil {
				t.Fatal(err)
			}
			made, err := w.Create(t.Context(), c.claim)
			if err != nil {
				t.Fatal(err)
			}
			if adopted := made.Status.ProviderID == "naru://demo/"+c.machine.Name; adopted != c.adopts {
				t.Errorf("got %s", made.Status.ProviderID)
			}
			again, err := w.Create(t.Context(), c.claim)
			if err != nil || cmp.Diff(made, again) != "" {
				t.Errorf("when it is created again, it is the same: %v\n%s", err, cmp.Diff(made, again))
			}
			if want := map[bool]int{true: 1, false: 2}[c.adopts]; len(w.machines(t)) != want {
				t.Errorf("got %d machines, want %d", len(w.machines(t)), want)
			}
		})
	}
}

func TestAdoptedIsAsMade(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	if err := w.hosting.Create(t.Context(), ahead("workers-0")); err != nil {
		t.Fatal(err)
	}
	if all, err := w.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("when a machine has no claim, Karpenter does not hear of it: %v, %v", all, err)
	}
	if _, err := w.Get(t.Context(), "naru://demo/workers-0"); !cloudprovider.IsNodeClaimNotFoundError(err) {
		t.Errorf("when a machine has no claim, it is not to be had: %v", err)
	}
	made, err := w.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	wantLabels := map[string]string{
		"karpenter.sh/nodepool": "workers", "team": "a", "karpenter.sh/capacity-type": "on-demand",
		"node.kubernetes.io/instance-type": "t3.large", "naru.dev/machine-class": "t3.large", "kubernetes.io/os": "linux",
		"kubernetes.io/arch": made.Labels["kubernetes.io/arch"], "topology.kubernetes.io/zone": "naru-1b", "topology.kubernetes.io/region": "naru-1",
	}
	want := ahead("workers-0").Spec
	want.Claim = v1alpha1.MachineClaim{Name: "workers-abcde", UID: "uid-of-workers-abcde"}
	want.Labels = wantLabels
	want.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}, karpenter.UnregisteredNoExecuteTaint}
	if diff := cmp.Diff(want, w.machines(t)[0].Spec); diff != "" {
		t.Errorf("the machine (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantLabels, made.Labels); diff != "" {
		t.Errorf("the labels (-want +got):\n%s", diff)
	}
	if all, err := w.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("when a machine is claimed, Karpenter sees it: %v, %v", all, err)
	}
}

// While it is being adopted, its status is written, or another claim gets it.
func TestAdoptRaces(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*v1alpha1.Machine)
		adopts    bool
	}{
		"when its status changes meanwhile, it is adopted": {func(m *v1alpha1.Machine) { m.Status.Host = "host-2" }, true},
		"when another claim gets it, a new one is made":    {func(m *v1alpha1.Machine) { m.Spec.Claim = v1alpha1.MachineClaim{Name: "x", UID: "y"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			raced := false
			w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{
				Patch: func(ctx context.Context, real client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					if !raced {
						raced = true
						other := &v1alpha1.Machine{}
						if err := real.Get(ctx, client.ObjectKeyFromObject(object), other); err != nil {
							return err
						}
						c.meanwhile(other)
						if err := real.Update(ctx, other); err != nil {
							return err
						}
						return apierrors.NewConflict(schema.GroupResource{Resource: "machines"}, object.GetName(), nil)
					}
					return real.Patch(ctx, object, patch, options...)
				},
			})
			if err := w.hosting.Create(t.Context(), ahead("workers-0")); err != nil {
				t.Fatal(err)
			}
			made, err := w.Create(t.Context(), claim("workers-abcde"))
			if err != nil {
				t.Fatal(err)
			}
			if adopted := made.Status.ProviderID == "naru://demo/workers-0"; adopted != c.adopts {
				t.Errorf("got %s", made.Status.ProviderID)
			}
		})
	}
}
