package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnnotationFollows on a Node of a managed cluster is the fingerprint of the authorities that its processes trust and have their
// certificates of. `naru node` writes it.
const AnnotationFollows = "naru.dev/follows-authorities"

// AuthoritySigning says whether an authority signs.
//
// +kubebuilder:validation:Enum=NotUsed;Activating;InUse
type AuthoritySigning string

// What an authority signs.
const (
	// AuthorityNotUsed signs nothing: it is trusted only.
	AuthorityNotUsed AuthoritySigning = "NotUsed"
	// AuthorityActivating is about to sign, or signs, and not everything has its certificate of it.
	AuthorityActivating AuthoritySigning = "Activating"
	// AuthorityInUse has signed all certificates.
	AuthorityInUse AuthoritySigning = "InUse"
)

// AuthorityDistribution says who trusts an authority.
//
// +kubebuilder:validation:Enum=InProgress;Complete;Deleting
type AuthorityDistribution string

// How far an authority is trusted.
const (
	// AuthorityInProgress is not yet trusted by everything.
	AuthorityInProgress AuthorityDistribution = "InProgress"
	// AuthorityComplete was seen to be trusted by everything.
	AuthorityComplete AuthorityDistribution = "Complete"
	// AuthorityDeleting is about to be trusted by nothing.
	AuthorityDeleting AuthorityDistribution = "Deleting"
)

// ClusterAuthority is one generation of a cluster's certificate authority.
type ClusterAuthority struct {
	// generation counts from 1, what the cluster was made with.
	// +kubebuilder:validation:Minimum=1
	// +required
	Generation int32 `json:"generation"`
	// certificate is its own, in PEM.
	// +optional
	Certificate []byte `json:"certificate,omitempty"`
	// created is when it was made.
	// +optional
	Created metav1.Time `json:"created,omitzero"`
	// activated is when it was last seen to have signed everything; absent: it never was.
	// +optional
	Activated *metav1.Time `json:"activated,omitempty"`
	// signing says whether it signs, distribution who trusts it.
	// +required
	Signing AuthoritySigning `json:"signing"`
	// +required
	Distribution AuthorityDistribution `json:"distribution"`
}

// WantedAuthorities are the authorities that a cluster is asked to have. What is not asked for is what it has.
func (c *Cluster) WantedAuthorities() AuthoritiesSpec {
	if c.Spec.Authorities != nil {
		return *c.Spec.Authorities.DeepCopy()
	}
	var now AuthoritiesSpec
	for _, authority := range c.Status.Authorities {
		if authority.Distribution == AuthorityDeleting {
			continue
		}
		now.Trusted = append(now.Trusted, authority.Generation)
		if authority.Signing == AuthorityInUse || now.Signing == 0 {
			now.Signing = authority.Generation
		}
	}
	if len(now.Trusted) == 0 {
		return AuthoritiesSpec{Trusted: []int32{1}, Signing: 1}
	}
	return now
}

// AuthoritiesFingerprint tells trusted authorities, as PEM, from others, and from the same in another order: the first one signs.
func AuthoritiesFingerprint(trusted []byte) string {
	sum := sha256.Sum256(trusted)
	return hex.EncodeToString(sum[:16])
}
