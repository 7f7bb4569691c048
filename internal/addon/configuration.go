package addon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// Configuration is what users set of an add-on. What is absent is as the component comes. Each add-on's schema has some of
// these properties.
type Configuration struct {
	// ReplicaCount and Replicas are how many pods there are: add-ons differ in the word.
	ReplicaCount *int32 `json:"replicaCount,omitempty"`
	Replicas     *int32 `json:"replicas,omitempty"`

	Resources                 *corev1.ResourceRequirements      `json:"resources,omitempty"`
	Tolerations               []corev1.Toleration               `json:"tolerations,omitempty"`
	NodeSelector              map[string]string                 `json:"nodeSelector,omitempty"`
	Affinity                  *corev1.Affinity                  `json:"affinity,omitempty"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	PodAnnotations            map[string]string                 `json:"podAnnotations,omitempty"`
	PodLabels                 map[string]string                 `json:"podLabels,omitempty"`
	PodDisruptionBudget       *DisruptionBudget                 `json:"podDisruptionBudget,omitempty"`

	// Corefile replaces CoreDNS's, and CorefileAdditions are server blocks after it.
	Corefile          string `json:"corefile,omitempty"`
	CorefileAdditions string `json:"corefileAdditions,omitempty"`

	// EnableNetworkPolicy can only be what it always is.
	EnableNetworkPolicy string `json:"enableNetworkPolicy,omitempty"`
}

// DisruptionBudget is how many pods may be missing.
type DisruptionBudget struct {
	Enabled        *bool               `json:"enabled,omitempty"`
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	MinAvailable   *intstr.IntOrString `json:"minAvailable,omitempty"`
}

// InvalidError says what of a configuration can't be.
type InvalidError struct {
	// Problems name the property and say what is wrong with it.
	Problems []string
}

func (e *InvalidError) Error() string { return strings.Join(e.Problems, "; ") }

// Parse reads a configuration, JSON or YAML, and checks it against the add-on's schema. Nothing at all is the empty one.
// Errors: *InvalidError.
func (a Addon) Parse(text string) (Configuration, error) {
	var configuration Configuration
	if strings.TrimSpace(text) == "" {
		return configuration, nil
	}
	document, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return configuration, invalid("it is neither JSON nor YAML: %s", err)
	}
	if err := a.check(document); err != nil {
		return configuration, err
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields() // the schema leaves affinity and the like to Kubernetes' own types
	if err := decoder.Decode(&configuration); err != nil {
		return configuration, invalid("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return configuration, nil
}

func invalid(format string, args ...any) error {
	return &InvalidError{Problems: []string{fmt.Sprintf(format, args...)}}
}

func (a Addon) check(document []byte) error {
	text, err := a.Schema()
	if err != nil {
		return err
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("reading the schema of %s: %w", a.Name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(a.Name, parsed); err != nil {
		return fmt.Errorf("reading the schema of %s: %w", a.Name, err)
	}
	schema, err := compiler.Compile(a.Name)
	if err != nil {
		return fmt.Errorf("reading the schema of %s: %w", a.Name, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return invalid("it can't be read: %s", err)
	}
	err = schema.Validate(value)
	if failed := new(jsonschema.ValidationError); errors.As(err, &failed) {
		problems := causes(failed)
		slices.Sort(problems)
		return &InvalidError{Problems: slices.Compact(problems)}
	}
	return err
}

// causes are the innermost errors, each with the property that it speaks of.
func causes(failed *jsonschema.ValidationError) []string {
	if len(failed.Causes) == 0 {
		at := "$"
		if len(failed.InstanceLocation) > 0 {
			at += "." + strings.Join(failed.InstanceLocation, ".")
		}
		return []string{at + ": " + failed.ErrorKind.LocalizedString(message.NewPrinter(language.English))}
	}
	var all []string
	for _, cause := range failed.Causes {
		all = append(all, causes(cause)...)
	}
	return all
}
