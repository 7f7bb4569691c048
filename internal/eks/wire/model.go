package wire

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Operation is one operation of the API.
type Operation struct {
	// Name as CreateCluster.
	Name string
	// Method and Path of its requests; the path has labels, as /clusters/{name}.
	Method, Path string
	// Status of its answers.
	Status int

	segments      []string
	input, output *shape
	in            reflect.Type
}

// exception is a modelled error.
type exception struct {
	code   string
	status int
	shape  *shape
}

// Model is the API as a whole. It does not change, so that any number of goroutines can use it.
type Model struct {
	operations []*Operation
	exceptions map[reflect.Type]exception
}

// NewModel reads the schemas of the SDK. It errs only where its types do not fit them.
func NewModel() (*Model, error) {
	m := &Model{exceptions: map[reflect.Type]exception{}}
	known := compiler{}
	for _, d := range definitions {
		operation, err := newOperation(known, d)
		if err != nil {
			return nil, err
		}
		m.operations = append(m.operations, operation)
	}
	slices.SortFunc(m.operations, func(a, b *Operation) int { return strings.Compare(a.Name, b.Name) })
	for _, entry := range eks.TypeRegistry.Entries {
		status, ok := smithy.SchemaTrait[*traits.HTTPError](entry.Schema)
		if !ok {
			return nil, fmt.Errorf("%s has no HTTP status", entry.Schema.ID())
		}
		t := reflect.TypeOf(entry.New())
		shape, err := known.compile(entry.Schema, t)
		if err != nil {
			return nil, err
		}
		m.exceptions[t] = exception{code: entry.Schema.ID().Name, status: status.Code, shape: shape}
	}
	return m, nil
}

func newOperation(known compiler, d definition) (*Operation, error) {
	binding, ok := smithy.SchemaTrait[*traits.HTTP](d.operation)
	if !ok {
		return nil, fmt.Errorf("%s has no HTTP binding", d.operation.ID())
	}
	input, err := known.compile(d.input, d.in)
	if err != nil {
		return nil, err
	}
	output, err := known.compile(d.output, d.out)
	if err != nil {
		return nil, err
	}
	return &Operation{
		Name: d.operation.ID().Name, Method: binding.Method, Path: binding.URI, Status: binding.Code,
		segments: strings.Split(binding.URI, "/"), input: input, output: output, in: d.in,
	}, nil
}

// Operations returns all operations, by name.
func (m *Model) Operations() []*Operation { return slices.Clone(m.operations) }

// Operation returns the one of that name.
func (m *Model) Operation(name string) (*Operation, bool) {
	i, found := slices.BinarySearchFunc(m.operations, name, func(o *Operation, name string) int { return strings.Compare(o.Name, name) })
	if !found {
		return nil, false
	}
	return m.operations[i], true
}

// Match finds the operation of a request. The path is as it was sent: percent-encoded
// (url.URL.EscapedPath), because a label may hold slashes. Errors: *RequestError.
func (m *Model) Match(method, escapedPath string) (*Operation, error) {
	segments := strings.Split(escapedPath, "/")
	for _, operation := range m.operations {
		if operation.Method == method && operation.matches(segments) {
			return operation, nil
		}
	}
	return nil, &RequestError{UnknownOperation, fmt.Sprintf("no operation of EKS is %s %s", method, escapedPath)}
}

func (o *Operation) matches(segments []string) bool {
	if len(segments) != len(o.segments) {
		return false
	}
	for i, want := range o.segments {
		if label(want) == "" && want != segments[i] || label(want) != "" && segments[i] == "" {
			return false
		}
	}
	return true
}

// label is the name in {name}; empty where the segment is literal.
func label(segment string) string {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		return strings.TrimSuffix(name, "}")
	}
	return ""
}

// labels are the values that a matching path gives to labels.
func (o *Operation) labels(escapedPath string) (map[string]string, error) {
	values := map[string]string{}
	for i, segment := range strings.Split(escapedPath, "/") {
		name := label(o.segments[i])
		if name == "" {
			continue
		}
		value, err := url.PathUnescape(segment)
		if err != nil {
			return nil, malformed("the path can't be read: %s", err)
		}
		values[name] = value
	}
	return values, nil
}

// Labels are the members of an input that stand in the path, by name. They are never empty where
// Decode made the input.
func (o *Operation) Labels(input any) map[string]string {
	structure := reflect.ValueOf(input).Elem()
	labels := map[string]string{}
	for _, f := range o.input.fields {
		if f.place == inPath {
			labels[f.name] = strings.Join(text(structure.Field(f.index)), "")
		}
	}
	return labels
}

// ReadOnly tells whether the operation changes nothing.
func (o *Operation) ReadOnly() bool {
	return strings.HasPrefix(o.Name, "Describe") || strings.HasPrefix(o.Name, "List")
}
