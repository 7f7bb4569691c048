// Package config holds the custom resource definitions that controller-gen writes from
// api/v1alpha1. `make generate` makes them anew; nothing here is edited by hand but this file.
package config

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed crd/*.yaml
var crds embed.FS

// tenantCRD is the only kind that lives in managed clusters.
const tenantCRD = "crd/naru.dev_narunodeclasses.yaml"

// HostingCRDs is a YAML stream of the definitions that the hosting cluster gets.
func HostingCRDs() []byte {
	names, err := fs.Glob(crds, "crd/*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var stream strings.Builder
	for _, name := range names {
		if name == tenantCRD {
			continue
		}
		stream.WriteString("\n---\n")
		stream.Write(read(name))
	}
	return []byte(stream.String())
}

// TenantCRDs is a YAML stream of the definitions that each managed cluster gets.
func TenantCRDs() []byte { return read(tenantCRD) }

func read(name string) []byte {
	data, err := crds.ReadFile(name)
	if err != nil {
		panic(err) // embedded by the line above
	}
	return data
}
