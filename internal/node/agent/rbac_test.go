package agent

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// TestManagedClusters holds the role of managed clusters' agents, which is a manifest there, to what the agent needs.
func TestManagedClusters(t *testing.T) {
	file, err := os.Open("../../controlplane/testdata/addons.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		var role rbacv1.ClusterRole
		if err := decoder.Decode(&role); err != nil {
			t.Fatalf("no role of %s: %v", UserName, err)
		}
		if role.Kind == "ClusterRole" && role.Name == UserName {
			if diff := cmp.Diff(ClusterRole().Rules, role.Rules); diff != "" {
				t.Errorf("when the agent needs something, it may do so in managed clusters, too (-want +got):\n%s", diff)
			}
			return
		}
	}
}
