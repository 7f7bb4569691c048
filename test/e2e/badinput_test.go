//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// badInput is something that has to be refused: what, why and what next in the message, and nothing changed.
type badInput struct {
	name string
	// args of naru, or a manifest for naru apply.
	args     []string
	manifest string
	words    []string
	// kubectl: the API server's own rules refuse the manifest in the same words.
	kubectl bool
}

func badInputs() []badInput {
	return append(badCommands(), badManifests()...)
}

func badCommands() []badInput {
	return []badInput{
		{name: "when a name can't be", args: []string{"create", "cluster", "Prod_1", "--version", version},
			words: []string{"metadata.name", "lower-case letters"}},
		{name: "when a name is Naru's own", args: []string{"create", "cluster", "system", "--version", version},
			words: []string{"metadata.name", "choose another"}},
		{name: "when a version can't be", args: []string{"create", "cluster", "bad", "--version", "9.99"},
			words: []string{"spec.version", "9.99", version}},
		{name: "when a version is not here", args: []string{"create", "cluster", "bad", "--version", "1.20"},
			words: []string{"spec.version", "naru release build 1.20"}},
		{name: "when a cluster exists already", args: []string{"create", "cluster", smallCluster, "--version", version},
			words: []string{smallCluster, "exists already"}},
		{name: "when a cluster to delete does not exist", args: []string{"delete", "cluster", "nothing", "--yes"},
			words: []string{"there is no cluster", "nothing", smallCluster}},
		{name: "when a group to scale does not exist", args: []string{"scale", "nodegroup", "nothing", "--cluster", smallCluster, "--nodes", "1"},
			words: []string{"there is no node group", "nothing"}},
		{name: "when a count is above the maximum", args: []string{"scale", "nodegroup", "default", "--cluster", smallCluster, "--nodes", "7"},
			words: []string{"scaling.desired must lie between", "7"}},
		{name: "when replicas can't be", args: []string{"scale", "cluster", smallCluster, "--control-plane-replicas", "2"},
			words: []string{"replicas", "2", "3"}},
		{name: "when a flag does not exist", args: []string{"get", "clusters", "--nothing"}, words: []string{"--nothing", "--help"}},
		{name: "when a kind does not exist", args: []string{"get", "nothings"}, words: []string{"nothings", "clusters"}},
		{name: "when an image is no archive", args: []string{"image", "push", "go.mod"}, words: []string{"go.mod"}},
		{name: "when a file does not exist", args: []string{"apply", "-f", "nothing.yaml"}, words: []string{"nothing.yaml"}},
	}
}

func badManifests() []badInput {
	return []badInput{
		{name: "when a manifest has an unknown field", manifest: clusterManifest("bad", "controlPlan: {replicas: 1}"),
			words: []string{"controlPlan"}, kubectl: true},
		{name: "when a value has the wrong type", manifest: clusterManifest("bad", "controlPlane: {replicas: many}"),
			words: []string{"replicas"}, kubectl: true},
		{name: "when a service range overlaps the hosting cluster's", manifest: clusterManifest("bad", "networking: {serviceCIDR: 100.65.0.0/16}"),
			words: []string{"serviceCIDR", "hosting cluster", "choose another range"}, kubectl: true},
		{name: "when a pod range overlaps the hosting cluster's", manifest: clusterManifest("bad", "networking: {podCIDR: 100.64.0.0/16}"),
			words: []string{"podCIDR", "hosting cluster", "choose another range"}, kubectl: true},
		{name: "when ranges overlap", manifest: clusterManifest("bad", "networking: {podCIDR: 10.96.0.0/16, serviceCIDR: 10.96.0.0/16}"),
			words: []string{"overlaps", "no address in common"}, kubectl: true},
		{name: "when a range is none", manifest: clusterManifest("bad", "networking: {podCIDR: everything}"),
			words: []string{"podCIDR", "10.244.0.0/16"}, kubectl: true},
		{name: "when an immutable field is changed", manifest: clusterManifest(smallCluster, "networking: {podCIDR: 10.245.0.0/16}"),
			words: []string{"podCIDR can't be changed", "create another cluster"}, kubectl: true},
		{name: "when desired is above the maximum", manifest: groupManifest(smallCluster, "bad", "min: 0, max: 2, desired: 3"),
			words: []string{"scaling", "desired must lie between"}, kubectl: true},
		{name: "when min is above max", manifest: groupManifest(smallCluster, "bad", "min: 3, max: 2"),
			words: []string{"scaling.min is above scaling.max"}, kubectl: true},
		{name: "when a machine class does not exist", manifest: strings.Replace(groupManifest(smallCluster, "bad", "min: 0, max: 1"), "t3.medium", "t3.enormous", 1),
			words: []string{"machineClasses", "t3.enormous", "t3.medium"}},
		{name: "when a group's cluster does not exist", manifest: groupManifest("nothing", "bad", "min: 0, max: 1"),
			words: []string{"there is no cluster", "nothing"}},
		{name: "when a manifest's second document is bad", manifest: clusterManifest("good", "controlPlane: {replicas: 1}") + "---\n" + groupManifest("good", "bad", "min: 3, max: 2"),
			words: []string{"scaling.min is above scaling.max", "bad"}},
		{name: "when a kind is not the user's", manifest: "apiVersion: naru.dev/v1alpha1\nkind: Machine\nmetadata: {name: bad, namespace: naru-small}\n",
			words: []string{"Machine", "NodeGroup"}},
		{name: "when a manifest is no YAML", manifest: "kind: [\n", words: []string{"YAML"}},
	}
}

func testBadInput(t *testing.T, w *world) {
	w.small(t)
	for _, bad := range badInputs() {
		before := w.everything(t)
		t.Run(bad.name+", it is refused and changes nothing", func(t *testing.T) {
			if bad.manifest == "" {
				result, err := w.cli.Naru(t.Context(), bad.args...)
				requireRefused(t, result, err, bad.words...)
			} else {
				result, err := w.cli.Pipe(t.Context(), bad.manifest, "apply", "-f", "-")
				requireRefused(t, result, err, bad.words...)
			}
			requireUnchanged(t, before, w.everything(t))
		})
		if bad.kubectl {
			t.Run(bad.name+", kubectl is refused in the same words", func(t *testing.T) {
				requireKubectlRefused(t, w, bad)
				requireUnchanged(t, before, w.everything(t))
			})
		}
	}
	t.Run("when a cluster is protected, it is not deleted", func(t *testing.T) {
		w.kubectlHosting(t, "patch", "cluster.naru.dev", smallCluster, "--type", "merge", "-p", `{"spec":{"deletionProtection":true}}`)
		result, err := w.cli.Naru(t.Context(), "delete", "cluster", smallCluster, "--yes")
		requireRefused(t, result, err, "deletionProtection")
		w.kubectlHosting(t, "patch", "cluster.naru.dev", smallCluster, "--type", "merge", "-p", `{"spec":{"deletionProtection":false}}`)
	})
}

// requireKubectlRefused applies a bad manifest with kubectl. Where the API server's schema speaks
// before Naru's rules, naming the field has to be enough.
func requireKubectlRefused(t *testing.T, w *world, bad badInput) {
	t.Helper()
	command, err := w.cli.Command(t.Context(), naru.Hosting, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	command.Stdin = strings.NewReader(bad.manifest)
	result, err := naru.Run(command)
	requireRefused(t, result, err, bad.words...)
}

func (w *world) kubectlHosting(t *testing.T, args ...string) string {
	t.Helper()
	result, err := w.cli.Kubectl(t.Context(), naru.Hosting, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result.Stdout
}

// everything maps what users can write to its generation, which changes with the spec.
func (w *world) everything(t *testing.T) map[string]string {
	t.Helper()
	h, found := w.hosting(t), map[string]string{}
	clusters, groups, classes := &v1alpha1.ClusterList{}, &v1alpha1.NodeGroupList{}, &v1alpha1.MachineClassList{}
	if err := h.client.List(t.Context(), clusters); err != nil {
		t.Fatal(err)
	}
	if err := h.client.List(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	if err := h.client.List(t.Context(), classes); err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters.Items {
		found["cluster "+c.Name] = fmt.Sprint(c.UID, c.Generation, c.DeletionTimestamp)
	}
	for _, g := range groups.Items {
		found["node group "+g.Namespace+"/"+g.Name] = fmt.Sprint(g.UID, g.Generation, g.DeletionTimestamp)
	}
	for _, c := range classes.Items {
		found["machine class "+c.Name] = fmt.Sprint(c.UID, c.Generation)
	}
	return found
}

func requireUnchanged(t *testing.T, before, after map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
}
