package wire

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// place is where a member stands in a request. In a response all are in the body.
type place int

const (
	inBody place = iota
	inPath
	inQuery
)

// shape is a schema joined with the Go type that holds its values.
type shape struct {
	kind smithy.ShapeType
	// fields of a structure, by name.
	fields []field
	// element of a list or of a map, whose keys are strings.
	element *shape
	// values of an enumeration.
	values []string
}

type field struct {
	name  string
	index int
	place place
	shape *shape
}

// field returns nil where there is none of that name and place.
func (s *shape) field(name string, where ...place) *field {
	i, found := slices.BinarySearchFunc(s.fields, name, func(f field, name string) int { return strings.Compare(f.name, name) })
	if !found || !slices.Contains(where, s.fields[i].place) {
		return nil
	}
	return &s.fields[i]
}

// compiler joins schemas and types; a type that is met again is the same shape, so types may recur.
type compiler map[reflect.Type]*shape

func (c compiler) compile(schema *smithy.Schema, t reflect.Type) (*shape, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := &shape{kind: schema.Type()}
	switch schema.Type() {
	case smithy.ShapeTypeStructure:
		if known := c[t]; known != nil {
			return known, nil
		}
		c[t] = s
		return s, c.structure(s, schema, t)
	case smithy.ShapeTypeList:
		return s, c.into(&s.element, schema.ListMember(), t, reflect.Slice)
	case smithy.ShapeTypeMap:
		return s, c.into(&s.element, schema.MapValue(), t, reflect.Map)
	case smithy.ShapeTypeEnum:
		s.values = enumeration(t)
		return s, holds(t, reflect.String)
	case smithy.ShapeTypeString:
		return s, holds(t, reflect.String)
	case smithy.ShapeTypeInteger:
		return s, holds(t, reflect.Int32)
	case smithy.ShapeTypeBoolean:
		return s, holds(t, reflect.Bool)
	case smithy.ShapeTypeTimestamp:
		return s, holds(t, reflect.Struct)
	}
	return nil, fmt.Errorf("%s: shapes of type %d are not known here", schema.ID(), schema.Type())
}

func (c compiler) structure(s *shape, schema *smithy.Schema, t reflect.Type) error {
	for _, name := range slices.Sorted(maps.Keys(schema.Members())) {
		member := schema.Member(name)
		in, ok := t.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if !ok {
			return fmt.Errorf("%s has no field for %s", t, name)
		}
		shape, err := c.compile(member, in.Type)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t, name, err)
		}
		f := field{name: name, index: in.Index[0], shape: shape}
		if _, label := smithy.SchemaDirectTrait[*traits.HTTPLabel](member); label {
			f.place = inPath
		}
		if query, ok := smithy.SchemaDirectTrait[*traits.HTTPQuery](member); ok {
			f.place, f.name = inQuery, query.Name
		}
		s.fields = append(s.fields, f)
	}
	slices.SortFunc(s.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (c compiler) into(element **shape, schema *smithy.Schema, t reflect.Type, kind reflect.Kind) (err error) {
	if err := holds(t, kind); err != nil {
		return err
	}
	*element, err = c.compile(schema, t.Elem())
	return err
}

func holds(t reflect.Type, kind reflect.Kind) error {
	if t.Kind() != kind {
		return fmt.Errorf("%s is no %s", t, kind)
	}
	return nil
}

// enumeration asks the type for its values; the SDK generates a method for that.
func enumeration(t reflect.Type) []string {
	method, ok := t.MethodByName("Values")
	if !ok {
		return nil
	}
	list := method.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}
