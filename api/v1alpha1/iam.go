package v1alpha1

// IAMPolicies are the policies that a user or role has: what it may do.
type IAMPolicies struct {
	// attachedPolicies are managed policies, by ARN.
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=2048
	// +listType=set
	// +optional
	AttachedPolicies []string `json:"attachedPolicies,omitempty"`
	// inlinePolicies are the principal's own, as JSON, by name.
	// +kubebuilder:validation:MaxProperties=50
	// +optional
	InlinePolicies map[string]string `json:"inlinePolicies,omitempty"`
	// permissionsBoundary is a managed policy, by ARN, that bounds all others.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	PermissionsBoundary string `json:"permissionsBoundary,omitempty"`
}

// IAMIdentity is how IAM knows a thing: by the name that its owner gave it and by an id that is never given again.
type IAMIdentity struct {
	// name as IAM knows it. Two names that differ in case only are the same.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+=,.@-]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="name can't be changed: create another one"
	// +required
	Name string `json:"name"`
	// path is a part of the ARN; it begins and ends with a slash.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/([!-~]+/)?$`
	// +kubebuilder:default="/"
	// +optional
	Path string `json:"path,omitempty"`
	// id is unique for all time, as AIDA… of a user.
	// +kubebuilder:validation:Pattern=`^A[A-Z0-9]{15,127}$`
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="id can't be changed"
	// +required
	ID string `json:"id"`
	// tags of the thing; a user's and a role's are aws:PrincipalTag/… in policies.
	// +kubebuilder:validation:MaxProperties=50
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}
