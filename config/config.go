// Package config holds the custom resource definitions that controller-gen writes from
// api/v1alpha1. `make generate` makes them anew; nothing here is edited by hand but this file.
package config

import (
	"bytes"
	"embed"
	"io/fs"
	"strings"

	"sigs.k8s.io/karpenter/pkg/apis"
)

//go:embed crd/*.yaml
var crds embed.FS

// tenantCRD is Naru's only kind that lives in managed clusters.
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

// TenantCRDs is a YAML stream of the definitions that each managed cluster gets, and that its Karpenter waits for. Karpenter has more
// kinds, for features that are off: objects of them would do nothing.
func TenantCRDs() []byte {
	return bytes.Join([][]byte{apis.NodePoolCRD, apis.NodeClaimCRD, read(tenantCRD)}, []byte("\n---\n"))
}

func read(name string) []byte {
	data, err := crds.ReadFile(name)
	if err != nil {
		panic(err) // embedded by the line above
	}
	return data
}
