package nodegroup

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"naru.dev/naru/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

const image = "registry.naru.local/node:1.37.1"

var catalogue = Catalogue{Classes: []string{"t3.medium", "t3.large", "m5.large"}, Zones: []string{"naru-1a", "naru-1b"}}

func group(scaling v1alpha1.ScalingSpec, change ...func(*v1alpha1.NodeGroupSpec)) *v1alpha1.NodeGroup {
	g := &v1alpha1.NodeGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "workers"},
		Spec:       v1alpha1.NodeGroupSpec{Scaling: scaling, MachineClasses: []string{"t3.medium"}},
	}
	for _, c := range change {
		c(&g.Spec)
	}
	return g
}

func TestRenderGolden(t *testing.T) {
	for name, g := range map[string]*v1alpha1.NodeGroup{
		"fixed-by-desired":  group(v1alpha1.ScalingSpec{Min: 1, Max: 5, Desired: ptr.To[int32](2)}),
		"fixed-by-min":      group(v1alpha1.ScalingSpec{Min: 3, Max: 3}),
		"fixed-to-none":     group(v1alpha1.ScalingSpec{Max: 3, Desired: ptr.To[int32](0)}),
		"dynamic":           group(v1alpha1.ScalingSpec{Min: 1, Max: 5}),
		"dynamic-from-none": group(v1alpha1.ScalingSpec{Max: 5}),
		"everything": group(v1alpha1.ScalingSpec{Min: 2, Max: 2}, func(s *v1alpha1.NodeGroupSpec) {
			s.MachineClasses = []string{"t3.large", "m5.large"}
			s.Zones = []string{"naru-1b", "naru-1a"}
			s.Labels = map[string]string{"team": "a"}
			s.MaxUnavailable = "1"
			s.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}, {Key: "slow", Effect: corev1.TaintEffectPreferNoSchedule}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Render(g, image, catalogue)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, object := range objects {
				text, err := yaml.Marshal(object.Object)
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
				t.Errorf("when a group is rendered, it is as in %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		group *v1alpha1.NodeGroup
		want  string
	}{
		"when a class does not exist, it names those that do": {
			group(v1alpha1.ScalingSpec{Max: 1}, func(s *v1alpha1.NodeGroupSpec) { s.MachineClasses = []string{"t3.medium", "x9.huge"} }),
			"spec.machineClasses names x9.huge, which does not exist; there are m5.large, t3.large, t3.medium"},
		"when a zone does not exist, it names those that do": {
			group(v1alpha1.ScalingSpec{Max: 1}, func(s *v1alpha1.NodeGroupSpec) { s.Zones = []string{"mars"} }),
			"spec.zones names mars, which does not exist; there are naru-1a, naru-1b"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := Render(c.group, image, catalogue)
			var missing *NotFoundError
			if !errors.As(err, &missing) || err.Error() != c.want || objects != nil {
				t.Errorf("got %v and %d objects, want %q and none", err, len(objects), c.want)
			}
		})
	}
}

func TestNodeMinor(t *testing.T) {
	for name, c := range map[string]struct {
		revision v1alpha1.ClusterRevisionSpec
		want     string
	}{
		"when a revision runs a version, nodes run its minor":           {v1alpha1.ClusterRevisionSpec{Version: "1.37.1"}, "1.37"},
		"when a revision emulates the minor before, nodes stay with it": {v1alpha1.ClusterRevisionSpec{Version: "1.37.1", EmulatedVersion: "1.36"}, "1.36"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nodeMinor(c.revision); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
