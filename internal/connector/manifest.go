package connector

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"text/template"
)

//go:embed manifests/connector.yaml
var manifestText string

// Manifest is what the agent's manifest depends on.
type Manifest struct {
	// Cluster is the name that it is registered by.
	Cluster string
	// Image of naru, as the cluster pulls it.
	Image string
	// Server is the URL of naru server as the cluster reaches it, ServerName the name in its certificate, CA what signed it.
	Server, ServerName string
	CA                 []byte
	Activation         Activation
	// Viewers are the ARNs of the users and roles whom the agent may be, and who get the cluster's own role view.
	Viewers []string
}

// Render returns the manifest, for kubectl apply. It holds the activation code.
func (m Manifest) Render() (string, error) {
	functions := template.FuncMap{"quote": func(text string) string { return fmt.Sprintf("%q", text) },
		"base64": func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }}
	parsed, err := template.New("connector").Funcs(functions).Option("missingkey=error").Parse(manifestText)
	if err != nil {
		return "", fmt.Errorf("parsing the agent's manifest: %w", err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, m); err != nil {
		return "", fmt.Errorf("rendering the agent's manifest: %w", err)
	}
	return out.String(), nil
}
