package provider

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/instancetypes"
	"naru.dev/naru/internal/autoscale/nodeclass"
)

const image = "registry.naru.local/node:1.37.1"

func machineClass(name, cpu, memory string) *v1alpha1.MachineClass {
	return &v1alpha1.MachineClass{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.MachineClassSpec{CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory), Pods: 110},
	}
}

func host(name, zone string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: "naru-1"}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
}

func class(ready metav1.ConditionStatus) *nodeclass.NodeClass {
	c := &nodeclass.NodeClass{}
	c.Name = "workers"
	c.Spec = v1alpha1.NaruNodeClassSpec{NodeGroup: "workers", MachineClasses: []string{"t3.medium", "t3.large"}, Image: image}
	c.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: ready, Reason: "Test", Message: "as the test says", LastTransitionTime: metav1.NewTime(time.Unix(0, 0))}}
	return c
}

func claim(name string) *karpenter.NodeClaim {
	return &karpenter.NodeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{"karpenter.sh/nodepool": "workers", "team": "a"}},
		Spec: karpenter.NodeClaimSpec{
			NodeClassRef: &karpenter.NodeClassReference{Group: "naru.dev", Kind: "NaruNodeClass", Name: "workers"},
			Taints:       []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}},
		},
	}
}

type world struct {
	*Provider
	hosting client.Client
}

func newWorld(t *testing.T, ready metav1.ConditionStatus, functions interceptor.Funcs) world {
	t.Helper()
	outside, inside := runtime.NewScheme(), runtime.NewScheme()
	for _, err := range []error{v1alpha1.AddToScheme(outside), corev1.AddToScheme(outside)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	nodeclass.AddToScheme(inside)
	hosting := fake.NewClientBuilder().WithScheme(outside).WithInterceptorFuncs(functions).WithObjects(
		machineClass("t3.medium", "2", "4Gi"), machineClass("t3.large", "2", "8Gi"), machineClass("m5.large", "2", "8Gi"),
		host("host-1", "naru-1a"), host("host-2", "naru-1b")).Build()
	tenant := fake.NewClientBuilder().WithScheme(inside).WithObjects(class(ready)).Build()
	return world{New("demo", tenant, hosting, hosting), hosting}
}

func (w world) machines(t *testing.T) []v1alpha1.Machine {
	t.Helper()
	var list v1alpha1.MachineList
	if err := w.hosting.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestCreate(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	made, err := w.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	machines := w.machines(t)
	if len(machines) != 1 {
		t.Fatalf("when a claim is created, there is one machine: got %d", len(machines))
	}
	m := machines[0]
	if want := "naru://demo/" + m.Name; made.Status.ProviderID != want {
		t.Errorf("the provider ID: got %s, want %s", made.Status.ProviderID, want)
	}
	wantLabels := map[string]string{
		"karpenter.sh/nodepool": "workers", "team": "a", "karpenter.sh/capacity-type": "on-demand",
		"node.kubernetes.io/instance-type": "t3.medium", "naru.dev/machine-class": "t3.medium", "kubernetes.io/os": "linux",
		"kubernetes.io/arch": made.Labels["kubernetes.io/arch"], "topology.kubernetes.io/zone": "naru-1a", "topology.kubernetes.io/region": "naru-1",
	}
	if diff := cmp.Diff(wantLabels, made.Labels); diff != "" {
		t.Errorf("the labels (-want +got):\n%s", diff)
	}
	want := v1alpha1.MachineSpec{
		Claim:     v1alpha1.MachineClaim{Name: "workers-abcde", UID: "uid-of-workers-abcde"},
		NodeGroup: "workers", MachineClass: "t3.medium", Zone: "naru-1a", Image: image, Labels: wantLabels,
		Taints: []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}, karpenter.UnregisteredNoExecuteTaint},
	}
	if diff := cmp.Diff(want, m.Spec); diff != "" {
		t.Errorf("the machine (-want +got):\n%s", diff)
	}
	if got := made.Status.Allocatable[corev1.ResourceMemory]; got.String() != "3996Mi" {
		t.Errorf("the allocatable memory: got %s, want 3996Mi", got.String())
	}
}

func TestCreateTwice(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	first, err := w.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	// By now the other zone has fewer machines; the first choice stands.
	second, err := w.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" || len(w.machines(t)) != 1 {
		t.Errorf("when a claim is created twice, the second finds the first: %d machines (-first +second):\n%s", len(w.machines(t)), diff)
	}
}

func TestCreateSpreadsOverZones(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	var creating sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		creating.Go(func() {
			if _, err := w.Create(t.Context(), claim(name)); err != nil {
				t.Error(err)
			}
		})
	}
	creating.Wait()
	zones := map[string]int{}
	for _, machine := range w.machines(t) {
		zones[machine.Spec.Zone]++
	}
	if diff := cmp.Diff(map[string]int{"naru-1a": 2, "naru-1b": 2}, zones); diff != "" {
		t.Errorf("when four machines are made at once, two zones have two each (-want +got):\n%s", diff)
	}
}

func TestCreateErrors(t *testing.T) {
	tooLarge := claim("large")
	tooLarge.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64")}
	lost := claim("lost")
	lost.Spec.NodeClassRef.Name = "gone"
	quota := interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "machines"}, "x", nil)
	}}
	for name, c := range map[string]struct {
		claim *karpenter.NodeClaim
		ready metav1.ConditionStatus
		funcs interceptor.Funcs
		is    func(error) bool
	}{
		"when no class is large enough, capacity is insufficient":   {tooLarge, metav1.ConditionTrue, interceptor.Funcs{}, cloudprovider.IsInsufficientCapacityError},
		"when the quota is used up, capacity is insufficient":       {claim("x"), metav1.ConditionTrue, quota, cloudprovider.IsInsufficientCapacityError},
		"when the node class is not ready, it says so":              {claim("x"), metav1.ConditionFalse, interceptor.Funcs{}, cloudprovider.IsNodeClassNotReadyError},
		"when the node class does not exist, that is not ready too": {lost, metav1.ConditionTrue, interceptor.Funcs{}, cloudprovider.IsNodeClassNotReadyError},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.ready, c.funcs)
			if _, err := w.Create(t.Context(), c.claim); !c.is(err) {
				t.Errorf("got %v", err)
			}
			if got := len(w.machines(t)); got != 0 {
				t.Errorf("and no machine is left behind: got %d", got)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	made, err := w.Create(t.Context(), claim("workers-abcde"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Delete(t.Context(), made); err != nil {
			t.Fatalf("when a machine is ending, Delete succeeds: %v", err)
		}
	}
	if all, err := w.List(t.Context()); err != nil || len(all) != 1 || all[0].DeletionTimestamp.IsZero() {
		t.Errorf("when a machine is ending, List shows that it is: got %v, %v", all, err)
	}
	m := w.machines(t)[0]
	m.Finalizers = nil
	if err := w.hosting.Update(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), made); !cloudprovider.IsNodeClaimNotFoundError(err) {
		t.Errorf("when a machine is gone, Delete says so: got %v", err)
	}
	if _, err := w.Get(t.Context(), made.Status.ProviderID); !cloudprovider.IsNodeClaimNotFoundError(err) {
		t.Errorf("when a machine is gone, Get says so: got %v", err)
	}
}

func TestGetOfOthers(t *testing.T) {
	w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
	for _, id := range []string{"", "naru://other/m-1", "aws:///zone/i-1", "naru://demo/a/b"} {
		if _, err := w.Get(t.Context(), id); !cloudprovider.IsNodeClaimNotFoundError(err) {
			t.Errorf("when a provider ID is %q, there is no such machine: got %v", id, err)
		}
	}
}

func TestIsDrifted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*nodeclass.NodeClass)
		want   cloudprovider.DriftReason
	}{
		"when nothing changed, it has not drifted":            {func(*nodeclass.NodeClass) {}, ""},
		"when the image changed, it has drifted":              {func(c *nodeclass.NodeClass) { c.Spec.Image = "registry.naru.local/node:1.38.0" }, ImageDrift},
		"when its class is not wanted any more, it drifted":   {func(c *nodeclass.NodeClass) { c.Spec.MachineClasses = []string{"m5.large"} }, MachineClassDrift},
		"when another class is wanted too, it stays as it is": {func(c *nodeclass.NodeClass) { c.Spec.MachineClasses = append(c.Spec.MachineClasses, "m5.large") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, metav1.ConditionTrue, interceptor.Funcs{})
			owner := claim("workers-abcde")
			made, err := w.Create(t.Context(), owner)
			if err != nil {
				t.Fatal(err)
			}
			owner.Status = made.Status
			changed := class(metav1.ConditionTrue)
			c.change(changed)
			inside := runtime.NewScheme()
			nodeclass.AddToScheme(inside)
			w.tenant = fake.NewClientBuilder().WithScheme(inside).WithObjects(changed).Build()
			if got, err := w.IsDrifted(t.Context(), owner); err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestNewMachineOfFargate(t *testing.T) {
	c := claim("fargate.web-abcde")
	c.Labels = map[string]string{v1alpha1.LabelFargatePod: "uid-of-a-pod"}
	of := v1alpha1.NaruNodeClassSpec{FargateProfile: "web", Image: image}
	m := newMachine("demo", c, of, instancetypes.Choice{Type: &cloudprovider.InstanceType{Name: "t3.medium"}, Zone: instancetypes.NoZone})
	if !strings.HasPrefix(m.Name, "fargate-web-") || m.Spec.FargateProfile != "web" || m.Spec.NodeGroup != "" || m.Labels[v1alpha1.LabelFargateProfile] != "web" {
		t.Errorf("when a machine is for a pod on Fargate, it says so: %+v", m)
	}
	if m.Spec.Labels[v1alpha1.LabelFargatePod] != "uid-of-a-pod" {
		t.Errorf("and its node says for which: %v", m.Spec.Labels)
	}
	ahead := &v1alpha1.Machine{Spec: v1alpha1.MachineSpec{Image: image}}
	if _, ok := (wish{claim: c, class: of}).metBy(ahead); ok {
		t.Error("it is never one that was made ahead")
	}
}
