// Package podroles is what a cluster has inside so that its pods get IAM roles: where the agents ask, which service accounts
// have an association, and the policies that tell pods so. Rendering is pure.
package podroles

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/internal/kube/manifest"
	"naru.dev/naru/internal/podroles"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Data is what the manifests depend on.
type Data struct {
	Cluster string
	// Region that pods are told.
	Region string
	// Server is the URL of naru server for nodes and pods, CA the PEM of what signed its certificate.
	Server string
	CA     string
	// Associations are the ids of associations by podroles.AssociationKey.
	Associations map[string]string
}

// Text quotes for YAML and for CEL, which both know JSON's strings.
func (Data) Text(text string) (string, error) {
	quoted, err := json.Marshal(text)
	return string(quoted), err
}

// ConfigName is that of the contract.
func (Data) ConfigName() string { return podroles.ConfigName }

// AssociationsName is that of the contract.
func (Data) AssociationsName() string { return podroles.AssociationsName }

// Audience is that of the contract.
func (Data) Audience() string { return podroles.Audience }

// CredentialsURL is that of the contract.
func (Data) CredentialsURL() string {
	return "http://" + podroles.AgentAddress + podroles.CredentialsPath
}

// Render returns all objects.
func Render(data Data) ([]*unstructured.Unstructured, error) {
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing manifests: %w", err)
	}
	slices.Sort(names)
	var objects []*unstructured.Unstructured
	for _, name := range names {
		text, err := manifests.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		rendered, err := manifest.Render("podroles/"+name, string(text), data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, rendered...)
	}
	return objects, nil
}
