// Package authentication is who may say who a user of a cluster is, besides certificates, service accounts and IAM: the file
// that API servers read again by themselves whenever it changes. It is a component of its own because a change of it must not
// replace them.
package authentication

import (
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// Name of the ConfigMap.
const Name = "authentication"

// New returns the component. It has no workload.
func New() component.Component {
	return component.Component{Name: Name, Manifests: manifests}
}

// none in the place of a prefix stands for no prefix.
const none = "-"

// reserved are rules that a user of an identity provider must meet: what begins so is Kubernetes' or Naru's own, whatever the
// provider says.
var reserved = []map[string]string{{
	"expression": "!user.username.startsWith('system:') && !user.username.startsWith('naru:')",
	"message":    "names of users can't begin with system: or naru:",
}, {
	"expression": "user.groups.all(group, !group.startsWith('system:') && !group.startsWith('naru:'))",
	"message":    "names of groups can't begin with system: or naru:",
}}

// Configuration is the AuthenticationConfiguration of a cluster's API servers; provider is nil where there is none. What it says of
// anonymous users must never change while an API server runs: it would not load anything any more.
// See https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/
func Configuration(provider *v1alpha1.IdentityProvider) (string, error) {
	configuration := map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"anonymous": map[string]any{"enabled": true, "conditions": []map[string]string{{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}}},
	}
	if provider != nil {
		configuration["jwt"] = []any{authenticator(provider)}
	}
	text, err := yaml.Marshal(configuration)
	if err != nil {
		return "", fmt.Errorf("writing the authentication configuration: %w", err)
	}
	return string(text), nil
}

// Problem is why API servers would not load a provider, and not even start with it; empty where they would. own are the cluster's
// issuers of service account tokens.
func Problem(provider *v1alpha1.IdentityProvider, own ...string) string {
	if slices.Contains(own, provider.IssuerURL) {
		return "issuerURL is the cluster's own issuer, of its service accounts, whose tokens it takes anyway"
	}
	if _, ok := provider.RequiredClaims[""]; ok {
		return "requiredClaims has a claim without a name"
	}
	if provider.CertificateAuthority == "" {
		return ""
	}
	for rest := []byte(provider.CertificateAuthority); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			return ""
		}
	}
	return "the certificate authority of its issuer holds no certificate in PEM"
}

func authenticator(provider *v1alpha1.IdentityProvider) map[string]any {
	// Through the cluster's own nodes: what a user names here must not be asked from within the hosting cluster's network.
	issuer := map[string]any{"url": provider.IssuerURL, "audiences": []string{provider.ClientID}, "egressSelectorType": "cluster"}
	if provider.CertificateAuthority != "" {
		issuer["certificateAuthority"] = provider.CertificateAuthority
	}
	mappings := map[string]any{"username": map[string]string{"claim": claim(provider), "prefix": prefix(provider)}}
	if provider.GroupsClaim != "" {
		mappings["groups"] = map[string]string{"claim": provider.GroupsClaim, "prefix": without(provider.GroupsPrefix)}
	}
	jwt := map[string]any{"issuer": issuer, "claimMappings": mappings, "userValidationRules": reserved}
	var rules []map[string]string
	for _, name := range slices.Sorted(maps.Keys(provider.RequiredClaims)) {
		rules = append(rules, map[string]string{"claim": name, "requiredValue": provider.RequiredClaims[name]})
	}
	if rules != nil {
		jwt["claimValidationRules"] = rules
	}
	return jwt
}

func claim(provider *v1alpha1.IdentityProvider) string {
	if provider.UsernameClaim == "" {
		return "sub"
	}
	return provider.UsernameClaim
}

// prefix follows EKS's rule, which was kube-apiserver's own for --oidc-username-prefix.
func prefix(provider *v1alpha1.IdentityProvider) string {
	if provider.UsernamePrefix == "" && claim(provider) != "email" {
		return provider.IssuerURL + "#"
	}
	return without(provider.UsernamePrefix)
}

func without(prefix string) string {
	if prefix == none {
		return ""
	}
	return prefix
}

// Hash is what an API server calls a configuration that it has loaded.
func Hash(configuration string) string {
	sum := sha256.Sum256([]byte(configuration))
	return "sha256:" + hex.EncodeToString(sum[:])
}
