package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// without removes a field from an object. The path is as the API server writes it, for example
//
//	.spec.template.spec.containers[name="coredns"].resources.limits.cpu
//	.metadata.labels.app.kubernetes.io/name
//
// Names are not quoted in it, so that what the object has says where a name ends. It returns false where the object has no such field.
func without(object map[string]any, path string) bool {
	name, rest, ok := step(object, path)
	if !ok {
		return false
	}
	if rest == "" {
		delete(object, name)
		return true
	}
	switch child := object[name].(type) {
	case map[string]any:
		return without(child, rest)
	case []any:
		remaining, ok := withoutElement(child, rest)
		object[name] = remaining
		return ok
	}
	return false
}

// step splits the first name off a path: the longest that the object has.
func step(object map[string]any, path string) (name, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, ".")
	if !ok {
		return "", "", false
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		after, found := strings.CutPrefix(path, key)
		if found && len(key) >= len(name) && (after == "" || after[0] == '.' || after[0] == '[') {
			name, rest = key, after
		}
	}
	return name, rest, name != ""
}

// withoutElement removes an element of a list, or a field of it.
func withoutElement(list []any, path string) (remaining []any, ok bool) {
	selector, rest, found := strings.Cut(strings.TrimPrefix(path, "["), "]")
	if !found {
		return list, false
	}
	i := slices.IndexFunc(list, func(element any) bool { return selects(selector, element) })
	switch {
	case i < 0:
		return list, false
	case rest == "":
		return slices.Delete(list, i, i+1), true
	}
	element, isObject := list[i].(map[string]any)
	return list, isObject && without(element, rest)
}

// selects tells whether a selector, as name="dns" or containerPort=53,protocol="UDP" or ="value", means an element. A key that the
// element leaves to its default is no difference.
func selects(selector string, element any) bool {
	if value, ok := strings.CutPrefix(selector, "="); ok {
		return same(value, element)
	}
	object, ok := element.(map[string]any)
	if !ok {
		return false
	}
	matched := false
	for _, pair := range strings.Split(selector, ",") {
		key, value, _ := strings.Cut(pair, "=")
		own, has := object[key]
		if has && !same(value, own) {
			return false
		}
		matched = matched || has
	}
	return matched
}

func same(text string, value any) bool {
	var wanted any
	if err := json.Unmarshal([]byte(text), &wanted); err != nil {
		return false
	}
	return fmt.Sprint(wanted) == fmt.Sprint(value)
}
