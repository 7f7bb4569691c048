package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"
)

// Limits of what is read at all. AWS's own quotas, which are lower and depend on where a policy is attached,
// are Size's business.
const (
	maxBytes = 64 << 10
	maxDepth = 12
)

// Error says what is wrong with a policy document, and where: AWS's MalformedPolicyDocument.
type Error struct {
	// Path is the element, as Statement[0].Condition.StringLike; empty for the document as a whole.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

func errorf(path, format string, args ...any) error {
	return &Error{Path: path, Message: fmt.Sprintf(format, args...)}
}

// Size is a document's length as AWS counts it against its quotas: characters, white space left out. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func Size(text string) int {
	size := 0
	for _, r := range text {
		if !unicode.IsSpace(r) {
			size++
		}
	}
	return size
}

// node is a JSON value that remembers the order of its members.
type node struct {
	// kind is one of {, [, s, n, b, 0: object, array, string, number, boolean, null.
	kind    byte
	text    string
	items   []node
	members []member
}

type member struct {
	name  string
	value node
}

// kinds names JSON's kinds to people.
func (n node) kindName() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 's':
		return "a string"
	case 'n':
		return "a number"
	case 'b':
		return "true or false"
	}
	return "null"
}

// readJSON reads one JSON value and nothing behind it. Members that are there twice are refused: readers
// differ in which one they take.
func readJSON(text string) (node, error) {
	if len(text) > maxBytes {
		return node{}, errorf("", "the policy has %d bytes, at most %d can be read", len(text), maxBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	root, err := readValue(decoder, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return node{}, errorf("", "there is something behind the end of the policy")
	}
	return root, nil
}

func readValue(decoder *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errorf("", "the policy is nested more than %d deep", maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return node{}, errorf("", "it is not valid JSON: %v", err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return readObject(decoder, depth)
		}
		return readArray(decoder, depth)
	case string:
		return node{kind: 's', text: token}, nil
	case json.Number:
		return node{kind: 'n', text: token.String()}, nil
	case bool:
		return node{kind: 'b', text: fmt.Sprint(token)}, nil
	}
	return node{kind: '0'}, nil
}

func readObject(decoder *json.Decoder, depth int) (node, error) {
	object, seen := node{kind: '{'}, map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return node{}, errorf("", "it is not valid JSON: %v", err)
		}
		name, ok := token.(string)
		if !ok {
			return node{}, errorf("", "it is not valid JSON: a member's name is no string")
		}
		if seen[name] {
			return node{}, errorf(name, "it is there twice: each element may stand once")
		}
		seen[name] = true
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return node{}, err
		}
		object.members = append(object.members, member{name, value})
	}
	return object, readEnd(decoder)
}

func readArray(decoder *json.Decoder, depth int) (node, error) {
	array := node{kind: '['}
	for decoder.More() {
		item, err := readValue(decoder, depth+1)
		if err != nil {
			return node{}, err
		}
		array.items = append(array.items, item)
	}
	return array, readEnd(decoder)
}

func readEnd(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return errorf("", "it is not valid JSON: %v", err)
	}
	return nil
}

// stringList reads a string, or a list of strings that is not empty. Numbers and booleans count where loose.
func (n node) stringList(path string, loose bool) ([]string, error) {
	items := []node{n}
	if n.kind == '[' {
		items = n.items
	}
	if len(items) == 0 {
		return nil, errorf(path, "the list is empty: name at least one value")
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		if item.kind != 's' && !(loose && (item.kind == 'n' || item.kind == 'b')) {
			return nil, errorf(path, "it is %s, where a string or a list of strings is wanted", item.kindName())
		}
		list = append(list, item.text)
	}
	return list, nil
}
