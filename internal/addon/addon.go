// Package addon says which add-ons there are, in which versions, and what can be configured of each. It is pure, and shared
// by those who are asked for add-ons and those who apply them.
package addon

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"naru.dev/naru/api/v1alpha1"
)

//go:embed schemas/*.json
var schemas embed.FS

// Addon is a component of every cluster that users can configure, or leave out.
type Addon struct {
	// Name as EKS has it, and what kind of thing it is.
	Name, Kind string
	// Image is the image of a Release whose tag is the component's version; empty: it has Kubernetes' own version.
	Image string
	// Deployment in kube-system runs it; empty: it is a process of every node.
	Deployment string
}

// All are sorted by name.
func All() []Addon {
	return []Addon{
		{Name: "coredns", Kind: "networking", Image: "coredns", Deployment: "coredns"},
		{Name: "eks-pod-identity-agent", Kind: "security"},
		{Name: "kube-proxy", Kind: "networking"},
		{Name: "metrics-server", Kind: "observability", Image: "metrics-server", Deployment: "metrics-server"},
		{Name: "vpc-cni", Kind: "networking"},
	}
}

// Find returns one by name.
func Find(name string) (Addon, bool) {
	all := All()
	i := slices.IndexFunc(all, func(a Addon) bool { return a.Name == name })
	if i < 0 {
		return Addon{}, false
	}
	return all[i], true
}

// build is the last part of every version: how often Naru changed what it adds to the component.
const build = "-naru.1"

// Version is the add-on's version in a release.
func (a Addon) Version(release v1alpha1.ReleaseSpec) string {
	version := release.Version
	reference := release.Images[a.Image]
	if i := strings.LastIndexByte(reference, ':'); a.Image != "" && i > strings.LastIndexByte(reference, '/') {
		version = strings.TrimPrefix(reference[i+1:], "v")
	}
	return "v" + version + build
}

// Schema is a JSON schema, of draft 7, of the add-on's configuration.
func (a Addon) Schema() (string, error) {
	text, err := schemas.ReadFile("schemas/" + a.Name + ".json")
	if err != nil {
		return "", fmt.Errorf("reading the schema of %s: %w", a.Name, err)
	}
	return string(text), nil
}
