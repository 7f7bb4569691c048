// Package endpoint is the front's Service. It comes before everything else of a control plane, as its address is in
// certificates and manifests; of the Scope it needs only the names and the port.
package endpoint

import (
	"embed"

	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the Service.
const Name = "front"

// New returns the component. It has no workload.
func New() component.Component {
	return component.Component{Name: Name, Manifests: manifests}
}
