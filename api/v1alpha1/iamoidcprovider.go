package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IAMOIDCProviderSpec is an issuer of web identities that roles may trust.
type IAMOIDCProviderSpec struct {
	// url of the issuer, with https.
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^https://`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="url can't be changed: create another provider"
	// +required
	URL string `json:"url"`
	// clientIDs are the audiences that its tokens may be for.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=255
	// +listType=set
	// +optional
	ClientIDs []string `json:"clientIDs,omitempty"`
	// thumbprints are SHA-1 sums of certificates that the issuer's may be signed by.
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MaxLength=40
	// +listType=set
	// +optional
	Thumbprints []string `json:"thumbprints,omitempty"`
	// tags of the provider.
	// +kubebuilder:validation:MaxProperties=50
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}

// IAMOIDCProvider is an OpenID Connect provider.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=naru
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IAMOIDCProvider struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IAMOIDCProviderSpec `json:"spec"`
}

// IAMOIDCProviderList is a list of OIDC providers.
//
// +kubebuilder:object:root=true
type IAMOIDCProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IAMOIDCProvider `json:"items"`
}
