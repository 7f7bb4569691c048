package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// Encode writes an output of the operation, a pointer to the SDK's type, as the JSON of an answer.
func (o *Operation) Encode(output any) []byte {
	return marshal(o.output, reflect.ValueOf(output).Elem(), inBody)
}

// EncodeMembers writes all members of an input as one JSON object, wherever they stand in a
// request. It is the inverse of DecodeMembers, and the same for equal inputs.
func (o *Operation) EncodeMembers(input any) []byte {
	return marshal(o.input, reflect.ValueOf(input).Elem(), inBody, inPath, inQuery)
}

// EncodeInput writes an input, a pointer to the SDK's type, into a request. It errs where a label of
// the path is empty.
func (o *Operation) EncodeInput(input any) (Request, error) {
	structure := reflect.ValueOf(input).Elem()
	request := Request{Query: url.Values{}}
	segments := slices.Clone(o.segments)
	for i, segment := range segments {
		if name := label(segment); name != "" {
			values := text(structure.Field(o.input.field(name, inPath).index))
			if len(values) != 1 || values[0] == "" {
				return Request{}, fmt.Errorf("%s needs %s", o.Name, name)
			}
			segments[i] = strings.ReplaceAll(url.QueryEscape(values[0]), "+", "%20")
		}
	}
	request.Path = strings.Join(segments, "/")
	bodied := false
	for _, f := range o.input.fields {
		switch f.place {
		case inQuery:
			if values := text(structure.Field(f.index)); values != nil {
				request.Query[f.name] = values
			}
		case inBody:
			bodied = true
		case inPath: // it is in the address already
		}
	}
	if bodied {
		request.Body = marshal(o.input, structure, inBody)
	}
	return request, nil
}

// text are the values of a member in a path or a query; nil where it is absent.
func text(v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return []string{fmt.Sprint(v.Elem().Interface())}
	case reflect.Slice:
		var values []string
		for i := range v.Len() {
			values = append(values, v.Index(i).String())
		}
		return values
	}
	if v.IsZero() {
		return nil
	}
	return []string{fmt.Sprint(v.Interface())}
}

// Exception is a modelled error as an answer: its code, HTTP status, and the JSON of its members with __type. ok is
// false for any other error.
func (m *Model) Exception(err error) (code string, status int, body []byte, ok bool) {
	x, ok := m.exceptions[reflect.TypeOf(err)]
	if !ok {
		return "", 0, nil, false
	}
	members := marshal(x.shape, reflect.ValueOf(err).Elem(), inBody)
	body = append([]byte(`{"__type":`), quote(x.code)...)
	if len(members) > len("{}") {
		body = append(body, ',')
	}
	return x.code, x.status, append(body, members[1:]...), true
}

// DecodeException reads a modelled error's members into err, one of the SDK's exceptions; __type is
// skipped. Errors: *RequestError.
func (m *Model) DecodeException(body []byte, err error) error {
	var members map[string]json.RawMessage
	if e := json.Unmarshal(body, &members); e != nil {
		return malformed("the error is no JSON object: %s", e)
	}
	delete(members, "__type")
	rest, e := json.Marshal(members)
	if e != nil {
		return fmt.Errorf("copying members: %w", e)
	}
	return unmarshal(rest, m.exceptions[reflect.TypeOf(err)].shape, reflect.ValueOf(err).Elem(), inBody)
}

// Exceptions are the codes of the modelled errors with their HTTP status.
func (m *Model) Exceptions() map[string]int {
	codes := map[string]int{}
	for _, x := range m.exceptions {
		codes[x.code] = x.status
	}
	return codes
}

func marshal(s *shape, v reflect.Value, where ...place) []byte {
	var b bytes.Buffer
	writeMembers(&b, s, v, where)
	return b.Bytes()
}

// writeMembers writes a structure. What is nil, or a string without a pointer that is empty, is absent;
// numbers and booleans without a pointer are always there.
func writeMembers(b *bytes.Buffer, s *shape, structure reflect.Value, where []place) {
	b.WriteByte('{')
	first := true
	for _, f := range s.fields {
		v := structure.Field(f.index)
		if !slices.Contains(where, f.place) || absent(v) {
			continue
		}
		separate(b, &first)
		b.Write(quote(f.name))
		b.WriteByte(':')
		writeValue(b, f.shape, v)
	}
	b.WriteByte('}')
}

func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

func separate(b *bytes.Buffer, first *bool) {
	if !*first {
		b.WriteByte(',')
	}
	*first = false
}

func writeValue(b *bytes.Buffer, s *shape, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.kind {
	case smithy.ShapeTypeStructure:
		writeMembers(b, s, v, []place{inBody, inPath, inQuery})
	case smithy.ShapeTypeList:
		b.WriteByte('[')
		first := true
		for i := range v.Len() {
			separate(b, &first)
			writeValue(b, s.element, v.Index(i))
		}
		b.WriteByte(']')
	case smithy.ShapeTypeMap:
		writeEntries(b, s, v)
	case smithy.ShapeTypeBoolean:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case smithy.ShapeTypeInteger:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case smithy.ShapeTypeTimestamp:
		writeTime(b, v.Interface().(time.Time))
	default:
		b.Write(quote(v.String()))
	}
}

func writeEntries(b *bytes.Buffer, s *shape, v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b.WriteByte('{')
	first := true
	for _, key := range keys {
		separate(b, &first)
		b.Write(quote(key.String()))
		b.WriteByte(':')
		writeValue(b, s.element, v.MapIndex(key))
	}
	b.WriteByte('}')
}

// writeTime writes seconds since 1970, with milliseconds where there are any.
func writeTime(b *bytes.Buffer, t time.Time) {
	milliseconds := t.UnixMilli()
	if milliseconds%1000 == 0 {
		b.WriteString(strconv.FormatInt(milliseconds/1000, 10))
		return
	}
	b.WriteString(strconv.FormatFloat(float64(milliseconds)/1000, 'f', 3, 64))
}

// quote is a JSON string, without HTML's escapes.
func quote(s string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return []byte(`""`) // a string can always be encoded
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
