// Package env starts a real API server and etcd, Naru's own binaries, on loopback for tests.
package env

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"naru.dev/naru/config"
	"naru.dev/naru/internal/release"
)

const startTimeout = 2 * time.Minute

// Start runs an API server with Naru's kinds, those of the hosting cluster and those of managed ones, until the
// test ends. There are no nodes and no controllers in it. Where the binaries were not built, the test fails and
// says how to build them.
func Start(t testing.TB) *rest.Config {
	t.Helper()
	assets, err := link(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := definitions(config.HostingCRDs(), config.TenantCRDs())
	if err != nil {
		t.Fatal(err)
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDs:                     kinds,
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout,
	}
	environment.ControlPlane.GetAPIServer().Configure().Append("feature-gates", "UnknownVersionInteroperabilityProxy=false")
	// Service account tokens are from an issuer as managed clusters have them; envtest's own ends with a slash.
	environment.ControlPlane.GetAPIServer().Configure().Set("service-account-issuer", "https://127.0.0.1:6441/id/TEST")
	started, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stopping the API server: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("starting the API server: %v", err)
	}
	return started
}

// Program returns the path of one of Naru's own binaries, for a test that runs more than Start does.
func Program(t *testing.T, name string) string {
	t.Helper()
	folder, err := link(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, name)
}

// link gathers the programs in one folder under the names that they go by.
func link(folder string) (string, error) {
	cache, err := release.FindCache("")
	if err != nil {
		return "", err
	}
	for name, pattern := range map[string]string{
		"etcd": "bin/etcd/*/etcd", "kubectl": "bin/kubernetes/*/kubectl",
		"registry":       "bin/registry/*/registry",
		"kube-apiserver": "bin/kubernetes/*/kubernetes", "kube-controller-manager": "bin/kubernetes/*/kubernetes",
	} {
		program, err := newest(filepath.Join(cache, pattern))
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", name, err)
		}
		if err := os.Symlink(program, filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return folder, nil
}

func newest(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	var latest os.FileInfo
	path := ""
	for _, candidate := range slices.Sorted(slices.Values(found)) {
		info, err := os.Stat(candidate)
		if err != nil {
			return "", err
		}
		if latest == nil || info.ModTime().After(latest.ModTime()) {
			latest, path = info, candidate
		}
	}
	if path == "" {
		return "", fmt.Errorf("nothing is at %s: run 'naru release build' (or 'make test', which does so first)", pattern)
	}
	return path, nil
}

func definitions(streams ...[]byte) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var all []*apiextensionsv1.CustomResourceDefinition
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(bytes.Join(streams, []byte("\n---\n"))), 4096)
	for {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := decoder.Decode(definition); err != nil {
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return nil, fmt.Errorf("reading Naru's kinds: %w", err)
		}
		if definition.Name != "" {
			all = append(all, definition)
		}
	}
}
