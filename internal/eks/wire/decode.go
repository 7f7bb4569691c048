package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// MaxBody is how many bytes the body of a request may have. The greatest that EKS documents are a
// capability's and an add-on's configuration, of at most 100 KiB.
const MaxBody = 256 << 10

// signing begins the query parameters of a presigned request, which are not the operation's.
const signing = "x-amz-"

// Request is what is read of an HTTP request, or written into one.
type Request struct {
	// Path is percent-encoded.
	Path  string
	Query url.Values
	Body  []byte
}

// Decode reads an input of the operation, a pointer to the SDK's type, from a request whose path
// Match gave the operation for. Errors: *RequestError.
func (o *Operation) Decode(r Request) (any, error) {
	if len(r.Body) > MaxBody {
		return nil, &RequestError{TooLarge, "the body is larger than " + strconv.Itoa(MaxBody) + " bytes"}
	}
	input := reflect.New(o.in)
	labels, err := o.labels(r.Path)
	if err != nil {
		return nil, err
	}
	for name, value := range labels {
		if err := setText(o.input.field(name, inPath), input.Elem(), []string{value}); err != nil {
			return nil, err
		}
	}
	for name, values := range r.Query {
		if strings.HasPrefix(strings.ToLower(name), signing) {
			continue
		}
		f := o.input.field(name, inQuery)
		if f == nil {
			return nil, invalid("unknown query parameter %s: %s does not have it", name, o.Name)
		}
		if err := setText(f, input.Elem(), values); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(r.Body)) > 0 {
		if err := unmarshal(r.Body, o.input, input.Elem(), inBody); err != nil {
			return nil, err
		}
	}
	return input.Interface(), nil
}

// DecodeMembers reads an input from one JSON object with all members, wherever they stand in a
// request. Errors: *RequestError.
func (o *Operation) DecodeMembers(object []byte) (any, error) {
	input := reflect.New(o.in)
	if err := unmarshal(object, o.input, input.Elem(), inBody, inPath, inQuery); err != nil {
		return nil, err
	}
	return input.Interface(), nil
}

// DecodeOutput reads an answer into output, a pointer to the operation's SDK type.
// Without a body all members are absent. Errors: *RequestError.
func (o *Operation) DecodeOutput(body []byte, output any) error {
	if len(body) == 0 {
		return nil
	}
	return unmarshal(body, o.output, reflect.ValueOf(output).Elem(), inBody)
}

// setText sets a member from the path or the query.
func setText(f *field, structure reflect.Value, values []string) error {
	v := target(structure.Field(f.index))
	if f.shape.kind == smithy.ShapeTypeList {
		list := reflect.MakeSlice(v.Type(), len(values), len(values))
		for i, value := range values {
			if err := setScalar(f.shape.element, list.Index(i), value, f.name); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	if len(values) != 1 {
		return invalid("%s is given %d times: once is right", f.name, len(values))
	}
	return setScalar(f.shape, v, values[0], f.name)
}

func setScalar(s *shape, v reflect.Value, text, at string) error {
	switch s.kind {
	case smithy.ShapeTypeInteger:
		return setInteger(v, text, at)
	case smithy.ShapeTypeBoolean:
		if text != "true" && text != "false" {
			return invalid("%s: %q is neither true nor false", at, text)
		}
		v.SetBool(text == "true")
		return nil
	}
	return setString(s, v, text, at)
}

func setString(s *shape, v reflect.Value, text, at string) error {
	if s.values != nil && !slices.Contains(s.values, text) {
		return invalid("%s: %q is none of %s", at, text, strings.Join(s.values, ", "))
	}
	v.SetString(text)
	return nil
}

func setInteger(v reflect.Value, text, at string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return malformed("%s: %q is no integer of 32 bits", at, text)
	}
	v.SetInt(n)
	return nil
}

// target allocates what a pointer is to point to.
func target(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// unmarshal reads JSON token by token, along the shape: it never goes deeper than that.
func unmarshal(text []byte, s *shape, v reflect.Value, where ...place) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	r := reader{decoder}
	token, err := r.token()
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return malformed("the body is no JSON object")
	}
	if err := r.members(s, v, "", where); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed("something follows the JSON object of the body")
	}
	return nil
}

type reader struct{ *json.Decoder }

func (r reader) token() (json.Token, error) {
	token, err := r.Token()
	if err != nil {
		return nil, malformed("the body is no valid JSON: %s", err)
	}
	return token, nil
}

// members reads a structure after its opening brace. A member that is null is absent.
func (r reader) members(s *shape, structure reflect.Value, at string, where []place) error {
	seen := map[string]bool{}
	for {
		token, err := r.token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return nil // the closing brace: the decoder lets nothing else by
		}
		path := join(at, name)
		f := s.field(name, where...)
		if f == nil {
			return invalid("unknown member %s: this Naru speaks an EKS API that does not have it", path)
		}
		if seen[name] {
			return malformed("%s is there twice", path)
		}
		seen[name] = true
		if token, err = r.token(); err != nil {
			return err
		}
		if token == nil {
			continue
		}
		if err := r.value(token, f.shape, target(structure.Field(f.index)), path); err != nil {
			return err
		}
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func (r reader) value(token json.Token, s *shape, v reflect.Value, at string) error {
	switch token := token.(type) {
	case json.Delim:
		return r.collection(token, s, v, at)
	case string:
		if s.kind == smithy.ShapeTypeString || s.kind == smithy.ShapeTypeEnum {
			return setString(s, v, token, at)
		}
	case json.Number:
		switch s.kind {
		case smithy.ShapeTypeInteger:
			return setInteger(v, token.String(), at)
		case smithy.ShapeTypeTimestamp:
			return setTime(v, token, at)
		}
	case bool:
		if s.kind == smithy.ShapeTypeBoolean {
			v.SetBool(token)
			return nil
		}
	}
	return malformed("%s must be %s", at, wanted(s))
}

func (r reader) collection(opening json.Delim, s *shape, v reflect.Value, at string) error {
	switch {
	case opening == '{' && s.kind == smithy.ShapeTypeStructure:
		return r.members(s, v, at, []place{inBody, inPath, inQuery})
	case opening == '{' && s.kind == smithy.ShapeTypeMap:
		return r.entries(s, v, at)
	case opening == '[' && s.kind == smithy.ShapeTypeList:
		return r.items(s, v, at)
	}
	return malformed("%s must be %s", at, wanted(s))
}

func (r reader) entries(s *shape, v reflect.Value, at string) error {
	v.Set(reflect.MakeMap(v.Type()))
	for {
		token, err := r.token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return nil
		}
		path := join(at, key)
		if v.MapIndex(reflect.ValueOf(key)).IsValid() {
			return malformed("%s is there twice", path)
		}
		if token, err = r.token(); err != nil {
			return err
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(token, s.element, element, path); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), element)
	}
}

func (r reader) items(s *shape, v reflect.Value, at string) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for i := 0; ; i++ {
		token, err := r.token()
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			v.Set(list)
			return nil
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(token, s.element, target(element), at+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
		list = reflect.Append(list, element)
	}
}

// setTime reads seconds since 1970, with milliseconds.
func setTime(v reflect.Value, number json.Number, at string) error {
	seconds, err := number.Float64()
	if err != nil || math.Abs(seconds) > math.MaxInt32*1000 {
		return malformed("%s: %s is no time in seconds since 1970", at, number)
	}
	v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()))
	return nil
}

func wanted(s *shape) string {
	switch s.kind {
	case smithy.ShapeTypeStructure, smithy.ShapeTypeMap:
		return "an object"
	case smithy.ShapeTypeList:
		return "a list"
	case smithy.ShapeTypeInteger:
		return "an integer"
	case smithy.ShapeTypeBoolean:
		return "true or false"
	case smithy.ShapeTypeTimestamp:
		return "a time in seconds since 1970"
	}
	return "a string"
}
