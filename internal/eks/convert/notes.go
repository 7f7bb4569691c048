package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

// ClusterAsked is what was asked for a cluster that has no meaning here and is only told again.
type ClusterAsked struct {
	RoleARN          string   `json:"roleArn,omitempty"`
	SubnetIDs        []string `json:"subnetIds,omitempty"`
	SecurityGroupIDs []string `json:"securityGroupIds,omitempty"`
	PrivateAccess    bool     `json:"endpointPrivateAccess,omitempty"`
	// BootstrapCreatorAdmin tells that the creator got an access entry with all rights.
	BootstrapCreatorAdmin bool   `json:"bootstrapClusterCreatorAdminPermissions,omitempty"`
	AuthenticationMode    string `json:"authenticationMode,omitempty"`
	SupportType           string `json:"supportType,omitempty"`
	// LogTypes are the logs that are to be kept, but for the audit log, which is a setting of API servers.
	LogTypes []string `json:"logTypes,omitempty"`
	// AutoModeOff and ZonalShiftOff tell that these were asked for to be off, not left out.
	AutoModeOff   bool `json:"autoModeOff,omitempty"`
	ZonalShiftOff bool `json:"zonalShiftOff,omitempty"`
}

// NodegroupAsked is the same for a node group.
type NodegroupAsked struct {
	NodeRole string   `json:"nodeRole,omitempty"`
	Subnets  []string `json:"subnets,omitempty"`
	AMIType  string   `json:"amiType,omitempty"`
	// RepairOn tells that node repair was asked for, which always happens.
	RepairOn bool `json:"nodeRepairEnabled,omitempty"`
}

// SetNote writes a value into an annotation of an object, as JSON.
func SetNote(o metav1.Object, annotation string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing annotation %s: %w", annotation, err)
	}
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotation] = string(text)
	o.SetAnnotations(annotations)
	return nil
}

// Note reads what SetNote wrote. Without it, or where somebody spoilt it, it is the zero value: an
// object that the command line made has none, either.
func Note[T any](o metav1.Object, annotation string) T {
	var value T
	if err := json.Unmarshal([]byte(o.GetAnnotations()[annotation]), &value); err != nil {
		var zero T
		return zero
	}
	return value
}

// Tags are an object's tags; nil where it has none.
func Tags(o metav1.Object) map[string]string {
	tags := Note[map[string]string](o, v1alpha1.AnnotationTags)
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// SetTags replaces an object's tags.
func SetTags(o metav1.Object, tags map[string]string) error {
	if len(tags) > 0 {
		return SetNote(o, v1alpha1.AnnotationTags, tags)
	}
	delete(o.GetAnnotations(), v1alpha1.AnnotationTags)
	return nil
}

// Token is the idempotency token of a request, with a hash of what was asked.
type Token struct{ Token, Hash string }

// NewToken makes a token of a request. The empty one is nobody's: nothing is equal to it.
func NewToken(token *string, request []byte) Token {
	if token == nil || *token == "" {
		return Token{}
	}
	sum := sha256.Sum256(request)
	return Token{Token: *token, Hash: hex.EncodeToString(sum[:16])}
}

// SetToken writes a token into an object that is about to be created.
func SetToken(o metav1.Object, token Token) {
	if token.Token == "" {
		return
	}
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationToken] = token.Hash + " " + token.Token
	o.SetAnnotations(annotations)
}

// TokenOf is the token that an object was created with.
func TokenOf(o metav1.Object) Token {
	hash, token, _ := strings.Cut(o.GetAnnotations()[v1alpha1.AnnotationToken], " ")
	return Token{Token: token, Hash: hash}
}

// Same tells whether two requests have one token, and whether they ask for the same.
func (t Token) Same(other Token) (token, request bool) {
	token = t.Token != "" && t.Token == other.Token
	return token, token && t.Hash == other.Hash
}
