package fargate

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/nodegroup"
	"naru.dev/naru/test/golden"
)

func TestRender(t *testing.T) {
	profile := &v1alpha1.FargateProfile{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1alpha1.FargateProfileSpec{Zones: []string{"naru-1b", "naru-1a"}}}
	objects, err := Render(profile, "registry.naru.local/node:1.37.1", nodegroup.Catalogue{Classes: []string{"t3.medium", "m5.large"}, Zones: []string{"naru-1a", "naru-1b", "naru-1c"}})
	if err != nil {
		t.Fatal(err)
	}
	golden.Objects(t, "profile.golden.yaml", objects)
	_, err = Render(profile, "x/y", nodegroup.Catalogue{Zones: []string{"naru-1a"}})
	var missing *nodegroup.NotFoundError
	if !errors.As(err, &missing) || len(missing.Missing) != 1 || missing.Missing[0] != "naru-1b" {
		t.Errorf("when a zone does not exist, it is named: %v", err)
	}
}
