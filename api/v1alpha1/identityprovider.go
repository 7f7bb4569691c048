package v1alpha1

import "k8s.io/apimachinery/pkg/api/equality"

// ClusterIdentityProviderReady says that every API server has loaded the identity provider, which a running one only does once it
// has read the provider's discovery document; after a provider was taken away, that none lets anybody in for it any more. It
// is no part of Ready: a provider that can't be reached must not hold up what else is asked of a cluster. A cluster that never
// had a provider has no such condition.
const ClusterIdentityProviderReady = "IdentityProviderReady"

// ConfigMapIssuerAuthorities in SystemNamespace holds, under KeyIssuerAuthorities, the PEM of who may sign certificates of issuers
// that come without an authority of their own. It takes the place of the public ones.
const (
	ConfigMapIssuerAuthorities = "issuer-authorities"
	KeyIssuerAuthorities       = "ca.crt"
)

// IdentityProvider is an OpenID Connect provider whose tokens API servers take. Users and groups that would begin with
// system: or naru: are never let in.
type IdentityProvider struct {
	// name is what users call it.
	// +kubebuilder:validation:Pattern=`^[0-9A-Za-z][0-9A-Za-z_-]*$`
	// +kubebuilder:validation:MaxLength=100
	// +required
	Name string `json:"name"`

	// issuerURL is the iss of tokens. The cluster's nodes reach it, on behalf of API servers.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != '' && !self.contains('?') && !self.contains('#') && !self.contains('@')",message="issuerURL must begin with https:// and have neither a user nor a query nor a fragment, as https://login.example.org/realms/one"
	// +required
	IssuerURL string `json:"issuerURL"`

	// clientID is the audience that tokens must have.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	ClientID string `json:"clientID"`

	// usernameClaim is the claim that names the user; absent: sub.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	UsernameClaim string `json:"usernameClaim,omitempty"`

	// usernamePrefix precedes the user's name. Absent it is the issuer's URL and #, or nothing where the claim is email; - is none.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.contains('system:') && !self.contains('naru:')",message="usernamePrefix can't contain system: or naru:"
	// +optional
	UsernamePrefix string `json:"usernamePrefix,omitempty"`

	// groupsClaim is the claim that lists the user's groups; absent: they have none.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	GroupsClaim string `json:"groupsClaim,omitempty"`

	// groupsPrefix precedes each group; absent: nothing does.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.contains('system:') && !self.contains('naru:')",message="groupsPrefix can't contain system: or naru:"
	// +optional
	GroupsPrefix string `json:"groupsPrefix,omitempty"`

	// requiredClaims are claims that a token must have, with these values.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	RequiredClaims map[string]string `json:"requiredClaims,omitempty"`

	// certificateAuthority is the PEM of who signed the issuer's certificate, for one of your own. Absent: those of the ConfigMap
	// issuer-authorities in naru-system, for all clusters, and without it the public ones.
	// +kubebuilder:validation:MaxLength=65536
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN CERTIFICATE-----')",message="certificateAuthority must be a certificate in PEM"
	// +optional
	CertificateAuthority string `json:"certificateAuthority,omitempty"`
}

// ClusterIdentityProvider is what was observed of a cluster's identity provider.
type ClusterIdentityProvider struct {
	// observedGeneration is the newest generation of the spec whose provider, or absence of one, every API server was seen to
	// have loaded; 0: none was yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// provider is what API servers may have loaded last: the newest one that was given to them, until none was seen to have it.
	// +optional
	Provider *IdentityProvider `json:"provider,omitempty"`
	// loaded is the hash of the configuration that every API server was seen to have loaded.
	// +optional
	Loaded string `json:"loaded,omitempty"`
}

// Equal tells whether two providers say the same.
func (p *IdentityProvider) Equal(other *IdentityProvider) bool {
	return equality.Semantic.DeepEqual(p, other)
}
