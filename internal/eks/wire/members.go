package wire

import (
	"encoding/json"
	"strings"

	"github.com/aws/smithy-go"
)

// ParseMembers reads an input from texts by member, as a command line has them: a string as it is, a list of strings with
// commas between, anything else as JSON. Errors: *RequestError.
func (o *Operation) ParseMembers(members map[string]string) (any, error) {
	object := map[string]json.RawMessage{}
	for name, text := range members {
		f := o.input.field(name, inBody, inPath, inQuery)
		switch {
		case f == nil:
			return nil, invalid("%s has no member %s; it has %s", o.Name, name, strings.Join(o.Members(), ", "))
		case f.shape.kind == smithy.ShapeTypeString || f.shape.kind == smithy.ShapeTypeEnum:
			object[name] = quote(text)
		case f.shape.kind == smithy.ShapeTypeList && !strings.HasPrefix(text, "["):
			items := []string{}
			for item := range strings.SplitSeq(text, ",") {
				items = append(items, string(quote(item)))
			}
			object[name] = json.RawMessage("[" + strings.Join(items, ",") + "]")
		case !json.Valid([]byte(text)):
			return nil, malformed("%s: %q is no JSON; it must be %s", name, text, wanted(f.shape))
		default:
			object[name] = json.RawMessage(text)
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, malformed("writing members: %s", err)
	}
	return o.DecodeMembers(text)
}

// Members are the names of the members of the operation's input.
func (o *Operation) Members() []string {
	names := []string{}
	for _, f := range o.input.fields {
		names = append(names, f.name)
	}
	return names
}
