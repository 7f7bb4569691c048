package base

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

var update = flag.Bool("update", false, "rewrite golden files")

func input() Input {
	images := map[string]string{}
	for _, name := range []string{"naru", "node", "registry"} {
		images[name] = "registry.naru.local/" + name + ":1"
	}
	return Input{Minor: "1.37", Kubernetes: "v1.37.1", Images: images, Hosts: 3, RegistryChecksum: "0123456789abcdef"}
}

func TestObjects(t *testing.T) {
	objects, err := Objects(input())
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, object := range objects {
		if object.GetKind() == "CustomResourceDefinition" {
			continue // they have a check of their own, make verify
		}
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("---\n" + string(data))
	}
	const path = "testdata/objects.golden.yaml"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("when nothing is meant to change, it renders what it did (-want +got; -update rewrites):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"naru-authenticator", "naru-controller", "naru-server", "registry"}, Workloads(objects)); diff != "" {
		t.Errorf("when it is asked for workloads, it names the Deployments:\n%s", diff)
	}
}

func TestEnsureRegistryCredentials(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	state := layout.State(t.TempDir())
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	ensure := func(at time.Time) string {
		t.Helper()
		sum, err := EnsureRegistryCredentials(t.Context(), c, state, at)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := ensure(now)
	if again := ensure(now.Add(24 * time.Hour)); again != first {
		t.Error("when nothing is near its end, nothing changes")
	}
	renewed := ensure(now.Add(leafLife - renewBefore + time.Hour))
	if renewed == first {
		t.Error("when the certificate nears its end, it is renewed")
	}
	var server, users corev1.Secret
	if err := errors.Join(c.Get(t.Context(), client.ObjectKey{Namespace: Namespace, Name: registry.ServerSecret}, &server),
		c.Get(t.Context(), client.ObjectKey{Namespace: Namespace, Name: "registry-auth"}, &users)); err != nil {
		t.Fatal(err)
	}
	list := string(users.Data["htpasswd"])
	if own := string(server.Data[registry.ServerPassword]); len(own) < 32 || strings.Contains(list, own) || !strings.Contains(list, "\n"+registry.ServerUser+":$2a$") || len(server.Data[registry.ServerCA]) == 0 {
		t.Errorf("naru server has a password of its own, of which the registry has a hash: %s", list)
	}
	if err := os.WriteFile(state.RegistryPassword(), []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ensure(now.Add(leafLife-renewBefore+time.Hour)) == renewed {
		t.Error("when the password changes, what the registry checks changes")
	}
	info, err := os.Stat(state.RegistryPassword())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("when there is a password, only root reads it: %v, %v", info.Mode(), err)
	}
	if ca, err := os.ReadFile(state.RegistryCA()); err != nil || !strings.Contains(string(ca), "BEGIN CERTIFICATE") {
		t.Errorf("when there is a CA, hosts can trust it: %v", err)
	}
	for _, path := range []string{state.RegistryCA()} {
		if data, _ := os.ReadFile(path); strings.Contains(string(data), "PRIVATE KEY") {
			t.Errorf("when a CA is shown to hosts, its key is not: %s", path)
		}
	}
}
