// Package fargate is what a cluster has inside so that pods which a Fargate profile chooses get a machine of their own, and
// others stay away from it: admission policies, which the API server decides by itself. Rendering is pure.
package fargate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/manifest"
)

//go:embed manifests/policies.yaml
var policies string

// ProbeNamespace is where pods are shown to a cluster that are never made.
const ProbeNamespace = "kube-system"

// data is what the manifest depends on. Names in it are the API's.
type data struct{ profiles []v1alpha1.FargateProfile }

// Policies returns what a cluster with these profiles has inside, in the order in which it is to be applied. A cluster without
// any profile has none of it.
func Policies(profiles []v1alpha1.FargateProfile) ([]*unstructured.Unstructured, error) {
	profiles = slices.Clone(profiles)
	slices.SortFunc(profiles, func(a, b v1alpha1.FargateProfile) int { return strings.Compare(a.Name, b.Name) })
	return manifest.Render("fargate/policies.yaml", policies, data{profiles})
}

// The API's names, for the manifest.
func (data) Profile() string     { return v1alpha1.LabelFargateProfile }
func (data) Pod() string         { return v1alpha1.LabelFargatePod }
func (data) ComputeType() string { return v1alpha1.LabelComputeType }
func (data) Fargate() string     { return v1alpha1.FargateComputeType }
func (data) Gate() string        { return v1alpha1.FargateGate }

// Chosen is a CEL expression whose value is the name of the profile that a pod runs by, or empty. Of several that choose a pod it is
// the first by name, or the one that the pod's own label names; a label that names one which does not choose the pod means none.
// It says the same of the pod before and after the policies changed it.
func (d data) Chosen() string {
	var b strings.Builder
	b.WriteString("(" + notDaemon + " ? (")
	for i := range d.profiles {
		profile := &d.profiles[i]
		fmt.Fprintf(&b, "(%s) && (!(%s in %s) || %s[%s] == %s) ? %s : ", selected(profile),
			quote(v1alpha1.LabelFargateProfile), labels, labels, quote(v1alpha1.LabelFargateProfile), quote(profile.Name), quote(profile.Name))
	}
	b.WriteString("'') : '')")
	return b.String()
}

const (
	labels = "(has(object.metadata.labels) ? object.metadata.labels : {})"
	// notDaemon leaves out what belongs to a node: the pods of DaemonSets, and those that a kubelet mirrors.
	notDaemon = "!(has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, o.kind in ['DaemonSet', 'Node']))"
)

// selected is true of a pod that one of the profile's selectors matches, and of the probe.
func selected(profile *v1alpha1.FargateProfile) string {
	alternatives := []string{fmt.Sprintf("(has(request.dryRun) && request.dryRun && request.namespace == %s && %s in %s && %s[%s] == %s)",
		quote(ProbeNamespace), quote(v1alpha1.LabelFargateProbe), labels, labels, quote(v1alpha1.LabelFargateProbe), quote(string(profile.UID)))}
	for _, selector := range profile.Spec.Selectors {
		all := []string{matches("request.namespace", selector.Namespace)}
		for _, key := range sortedKeys(selector.Labels) {
			all = append(all, labelled(key, string(selector.Labels[key])))
		}
		alternatives = append(alternatives, "("+strings.Join(all, " && ")+")")
	}
	return strings.Join(alternatives, " || ")
}

func labelled(key, value string) string {
	if !wild(key) {
		return fmt.Sprintf("%s in %s && %s", quote(key), labels, matches(labels+"["+quote(key)+"]", value))
	}
	return fmt.Sprintf("%s.exists(k, %s && %s)", labels, matches("k", key), matches(labels+"[k]", value))
}

// matches compares a value with a pattern of EKS's: * is any characters, ? is one.
func matches(value, pattern string) string {
	if !wild(pattern) {
		return value + " == " + quote(pattern)
	}
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return value + ".matches(" + quote("^"+expression+"$") + ")"
}

func wild(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

func sortedKeys(m map[string]v1alpha1.LabelPattern) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// quote writes a string of CEL, which knows those of JSON.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return "''" // a string always has a JSON
	}
	return string(quoted)
}

// Matched and OnItsOwn are conditions: a profile chooses the pod, or none does.
func (d data) Matched() string  { return d.Chosen() + " != ''" }
func (d data) OnItsOwn() string { return d.Chosen() + " == ''" }

// Text quotes an expression for YAML.
func (data) Text(text string) (string, error) {
	quoted, err := json.Marshal(text)
	return string(quoted), err
}
