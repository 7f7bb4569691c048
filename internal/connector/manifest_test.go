package connector

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"naru.dev/naru/internal/kube/manifest"
	"naru.dev/naru/test/golden"
)

func rendered(t *testing.T, viewers ...string) (string, []*unstructured.Unstructured) {
	t.Helper()
	text, err := Manifest{Cluster: "shop", Image: "registry.naru.local/naru:1", Server: "https://100.65.0.22", ServerName: "100.65.0.22", CA: []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
		Activation: Activation{ID: "6f1d2f4e-0000-4000-8000-000000000000", Code: "CODE"}, Viewers: viewers}.Render()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text, objects
}

func TestManifest(t *testing.T) {
	text, _ := rendered(t, "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:role/team/ops")
	golden.Compare(t, "connector.golden.yaml", []byte(text))
}

// TestRights looks at all that the agent may do.
func TestRights(t *testing.T) {
	for name, viewers := range map[string][]string{"when nobody may look, the agent can be nobody else": nil, "when somebody may look, the agent can be that user": {"arn:aws:iam::111122223333:user/alice"}} {
		t.Run(name, func(t *testing.T) {
			_, objects := rendered(t, viewers...)
			var impersonated []string
			for _, object := range objects {
				if object.GetKind() != "Role" && object.GetKind() != "ClusterRole" {
					continue
				}
				var role rbacv1.ClusterRole
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
					t.Fatal(err)
				}
				for _, rule := range role.Rules {
					switch {
					case slices.Equal(rule.Resources, []string{"nodes"}) && slices.Equal(rule.Verbs, []string{"list"}):
					case slices.Equal(rule.Resources, []string{"secrets"}) && slices.Equal(rule.ResourceNames, []string{"naru-connector-key"}) && object.GetNamespace() == "naru-connector":
					case slices.Equal(rule.Resources, []string{"users"}) && slices.Equal(rule.Verbs, []string{"impersonate"}) && len(rule.ResourceNames) > 0:
						impersonated = append(impersonated, rule.ResourceNames...)
					default:
						t.Errorf("it may %+v", rule)
					}
				}
			}
			if !slices.Equal(impersonated, viewers) {
				t.Errorf("it can be %v, want %v", impersonated, viewers)
			}
		})
	}
}
