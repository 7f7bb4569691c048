package nodeclass

import (
	"encoding/json"
	"testing"

	"github.com/awslabs/operatorpkg/status"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func classes(names ...string) []v1alpha1.MachineClass {
	var all []v1alpha1.MachineClass
	for _, name := range names {
		all = append(all, v1alpha1.MachineClass{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return all
}

func TestObserve(t *testing.T) {
	for name, c := range map[string]struct {
		existing []v1alpha1.MachineClass
		status   metav1.ConditionStatus
		message  string
	}{
		"when all classes exist, it is ready":                          {classes("t3.medium", "m5.large"), metav1.ConditionTrue, ""},
		"when a class is missing, it is not, and names those that are": {classes("t3.large", "m5.large"), metav1.ConditionFalse, "no machine class is named t3.medium; there are m5.large, t3.large"},
	} {
		t.Run(name, func(t *testing.T) {
			class := &NodeClass{}
			class.Spec.MachineClasses = []string{"t3.medium", "m5.large"}
			missing := observe(class, c.existing)
			ready := class.StatusConditions().Get(status.ConditionReady)
			if ready.Status != c.status || ready.Message != c.message || missing != (c.status == metav1.ConditionFalse) {
				t.Errorf("got %s %q, want %s %q", ready.Status, ready.Message, c.status, c.message)
			}
		})
	}
}

func TestSameOnTheWire(t *testing.T) {
	plain := v1alpha1.NaruNodeClass{
		TypeMeta:   metav1.TypeMeta{APIVersion: "naru.dev/v1alpha1", Kind: Kind},
		ObjectMeta: metav1.ObjectMeta{Name: "workers"},
		Spec:       v1alpha1.NaruNodeClassSpec{NodeGroup: "workers", MachineClasses: []string{"t3.medium"}, Image: "i"},
	}
	want, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal((&NodeClass{NaruNodeClass: plain}).DeepCopyObject())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("when a node class is written, it is what the API says (-want +got):\n%s", diff)
	}
}
