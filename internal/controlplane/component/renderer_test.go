package component_test

import (
	"testing"
	"testing/fstest"

	"naru.dev/naru/internal/controlplane/component"
)

func TestRenderer(t *testing.T) {
	part := component.Component{Name: "part", Manifests: fstest.MapFS{"manifests/part.yaml": {Data: []byte(
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: part\ndata:\n  image: {{.Image \"part\"}}\n")}}}
	scope := component.Scope{Cluster: "demo", Namespace: "naru-demo", Images: map[string]string{"part": "one"}}
	renderer := component.NewRenderer()
	image := func(scope component.Scope) (image string, object any) {
		t.Helper()
		objects, err := renderer.Render(part, scope)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := objects[0].Object["data"].(map[string]any)
		image, _ = data["image"].(string)
		return image, objects[0]
	}
	first, object := image(scope)
	if again, same := image(scope); first != "one" || again != "one" || same != object {
		t.Errorf("when nothing has changed, the objects of before are returned: %s, %s", first, again)
	}
	scope.Images["part"] = "two"
	if changed, _ := image(scope); changed != "two" {
		t.Errorf("when a map of the scope has changed, the objects are rendered again: %s", changed)
	}
	other := scope
	other.Namespace, other.Images = "naru-other", map[string]string{"part": "three"}
	if text, _ := image(other); text != "three" {
		t.Errorf("another namespace has objects of its own: %s", text)
	}
	_, kept := image(scope)
	renderer.Forget("naru-other")
	if _, same := image(scope); same != kept {
		t.Error("when another namespace is forgotten, this one's objects stay")
	}
	delete(scope.Images, "part")
	if _, err := renderer.Render(part, scope); err == nil {
		t.Error("when a scope can't be rendered, the objects of before are no answer")
	}
}
