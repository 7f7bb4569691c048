package backend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodCluster = `apiVersion: naru.dev/v1alpha1
kind: Cluster
metadata: {name: prod}
spec: {version: "1.37"}
`

func TestRead(t *testing.T) {
	t.Run("when there are several documents, comments and empty ones, it reads the objects in order", func(t *testing.T) {
		documents, err := Read("f.yaml", strings.NewReader("# a comment\n---\n"+goodCluster+"---\n\n---\n# nothing\n---\n"+strings.ReplaceAll(goodCluster, "prod", "test")))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range documents {
			got = append(got, d.Source+" "+d.Object.GetName()+" "+d.Typed.GetName())
		}
		if diff := cmp.Diff([]string{"f.yaml, document 1 prod prod", "f.yaml, document 2 test test"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when it is JSON, it is read", func(t *testing.T) {
		documents, err := Read("f.json", strings.NewReader(`{"apiVersion":"naru.dev/v1alpha1","kind":"Cluster","metadata":{"name":"x"},"spec":{"version":"1.37"}}`))
		if err != nil || len(documents) != 1 {
			t.Errorf("got %v, %v", documents, err)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	cases := map[string]struct{ text, words string }{
		"when a field is unknown":     {strings.Replace(goodCluster, "spec: {", "spec: {verison: x, ", 1), `unknown field "spec.verison"`},
		"when a field is given twice": {goodCluster + "kind: Cluster\n", "already set"},
		"when a type is wrong":        {strings.Replace(goodCluster, `"1.37"`, "[1]", 1), "spec.version is a array, where a string is wanted"},
		"when a number is no string":  {strings.Replace(goodCluster, `"1.37"`, "1.37", 1), "spec.version is a number, where a string is wanted"},
		"when it is no YAML":          {"a: [", "no valid YAML"},
		"when it is another's kind":   {"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", "use kubectl"},
		"when it is Naru's own kind":  {strings.Replace(goodCluster, "Cluster", "Machine", 1), "users write Cluster, NodeGroup, FargateProfile, MachineClass"},
		"when it has no name":         {strings.Replace(goodCluster, "name: prod", "", 1), "metadata.name is missing"},
	}
	for name, c := range cases {
		t.Run(name+", it says so and where", func(t *testing.T) {
			_, err := Read("f.yaml", strings.NewReader(goodCluster+"---\n"+c.text))
			requireInvalid(t, err, "f.yaml, document 2", c.words)
		})
	}
}
