package printer

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"naru.dev/naru/api/v1alpha1"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run with -update after looking at it:\n%s", diff)
	}
}

// groups is a table as the API server sends it; header says whether with its columns.
func groups(header bool, rows ...[]any) *metav1.Table {
	table := &metav1.Table{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"}}
	if header {
		table.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name"}, {Name: "Ready", Type: "string"},
			{Name: "Reason", Type: "string", Priority: 1}, {Name: "Nodes", Type: "integer"},
		}
	}
	for _, row := range rows {
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: row[0].(string)}}
		table.Rows = append(table.Rows, metav1.TableRow{Cells: row[1:], Object: runtime.RawExtension{Object: object}})
	}
	return table
}

func TestTables(t *testing.T) {
	for _, format := range []Format{Table, Wide} {
		t.Run("when objects change, rows are added below the same header: "+string(format), func(t *testing.T) {
			var out bytes.Buffer
			tables := NewTables(&out, format)
			first := groups(true, []any{"naru-prod", "default", "True", "", int64(2)}, []any{"naru-test", "elastic", "False", "no machine yet", nil})
			for _, table := range []*metav1.Table{first, groups(false, []any{"naru-test", "elastic", "True", "", int64(1)})} {
				AddColumn(table, "Cluster", func(o *metav1.PartialObjectMetadata) string { return v1alpha1.ClusterOf(o.Namespace) })
				if err := tables.Print(table); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, string(format)+".txt", out.String())
		})
	}
}

func objects(names ...string) []unstructured.Unstructured {
	var items []unstructured.Unstructured
	for _, name := range names {
		item := unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(`{"apiVersion":"naru.dev/v1alpha1","kind":"Cluster","metadata":{"name":"`+name+
			`","managedFields":[{"manager":"x"}]},"spec":{"version":"1.37"}}`), &item.Object); err != nil {
			panic(err)
		}
		items = append(items, item)
	}
	return items
}

func TestObjects(t *testing.T) {
	cases := map[string]struct {
		format Format
		single bool
		items  []unstructured.Unstructured
	}{
		"one.yaml":   {YAML, true, objects("prod")},
		"list.yaml":  {YAML, false, objects("prod", "test")},
		"one.json":   {JSON, true, objects("prod")},
		"empty.json": {JSON, false, nil},
		"names.txt":  {Name, false, objects("prod", "test")},
	}
	for name, c := range cases {
		t.Run("when printed, it is as in "+name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Objects(&out, c.format, c.single, c.items); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}

func TestParseFormat(t *testing.T) {
	t.Run("when the format is unknown, it names those that there are", func(t *testing.T) {
		_, err := ParseFormat("xml")
		if err == nil || err.Error() != `-o "xml" can't be: choose one of table, wide, json, yaml, name` {
			t.Errorf("got %v", err)
		}
	})
}
