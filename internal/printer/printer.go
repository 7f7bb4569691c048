// Package printer writes objects as kubectl does: tables, JSON, YAML, names.
package printer

import (
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
)

// Format is a value of -o.
type Format string

// The formats.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name"
)

// Formats are all formats, for help and completion.
var Formats = []string{string(Table), string(Wide), string(JSON), string(YAML), string(Name)}

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) {
	if !slices.Contains(Formats, s) {
		return "", fmt.Errorf("-o %q can't be: choose one of %s", s, strings.Join(Formats, ", "))
	}
	return Format(s), nil
}

// IsTable tells whether the format is one for people.
func (f Format) IsTable() bool { return f == Table || f == Wide }

// Objects writes objects as JSON, YAML or names: a single one as itself, several as a List.
func Objects(w io.Writer, format Format, single bool, items []unstructured.Unstructured) error {
	if format == Name {
		return each(w, &printers.NamePrinter{}, items)
	}
	var print printers.ResourcePrinter = &printers.JSONPrinter{}
	if format == YAML {
		print = &printers.YAMLPrinter{}
	}
	for i := range items {
		items[i].SetManagedFields(nil)
	}
	if single && len(items) == 1 {
		return print.PrintObj(&items[0], w)
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}, Items: items}
	return print.PrintObj(list, w)
}

func each(w io.Writer, print printers.ResourcePrinter, items []unstructured.Unstructured) error {
	for i := range items {
		if err := print.PrintObj(&items[i], w); err != nil {
			return err
		}
	}
	return nil
}

// Manifests writes objects one after the other, as `kubectl apply -f` reads them: YAML documents, or
// a JSON list. Empty status and creation times are left out.
func Manifests(w io.Writer, format Format, objects ...runtime.Object) error {
	items := make([]unstructured.Unstructured, 0, len(objects))
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("converting %T: %w", object, err)
		}
		item := unstructured.Unstructured{Object: content}
		unstructured.RemoveNestedField(content, "status")
		unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
		items = append(items, item)
	}
	if format == YAML {
		return each(w, &printers.YAMLPrinter{}, items)
	}
	return Objects(w, format, false, items)
}

// Tables writes tables one after the other; columns keep their width, and the header is written once.
type Tables struct {
	out     interface{ Flush() error }
	w       io.Writer
	printer printers.ResourcePrinter
}

// NewTables returns a writer of tables.
func NewTables(w io.Writer, format Format) *Tables {
	tab := printers.GetNewTabWriter(w)
	return &Tables{out: tab, w: tab, printer: printers.NewTablePrinter(printers.PrintOptions{Wide: format == Wide})}
}

// Print writes a table.
func (t *Tables) Print(table *metav1.Table) error {
	if err := t.printer.PrintObj(table, t.w); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return t.out.Flush()
}

// AddColumn puts a column before the others; value gives its cell for an object. A table without
// column definitions, as all of a watch but the first are, gets cells only.
func AddColumn(table *metav1.Table, name string, value func(*metav1.PartialObjectMetadata) string) {
	if len(table.ColumnDefinitions) > 0 {
		table.ColumnDefinitions = slices.Insert(table.ColumnDefinitions, 0, metav1.TableColumnDefinition{Name: name, Type: "string"})
	}
	for i := range table.Rows {
		cell := "<unknown>"
		if meta, ok := table.Rows[i].Object.Object.(*metav1.PartialObjectMetadata); ok {
			cell = value(meta)
		}
		table.Rows[i].Cells = slices.Insert(table.Rows[i].Cells, 0, any(cell))
	}
}
