package policy

import (
	"maps"
	"slices"
	"strings"
)

// condition compares the values of one key of a request with those of a statement.
type condition struct {
	operator
	// key is in lower case, as keys are compared without regard to case.
	key     string
	matches []matcher
}

// operator is the name of a condition's operator, taken apart.
type operator struct {
	family   family
	set      set
	ifExists bool
}

// set says how a key of several values is compared. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
type set string

const (
	oneValue     set = ""
	forAllValues set = "ForAllValues"
	forAnyValue  set = "ForAnyValue"
)

// matcher compares one value of a request with one of a statement.
type matcher func(value string, env *environment) bool

// family is an operator without prefix and suffix.
type family struct {
	// compile reads a value of the statement; path is for its error.
	compile func(path, value string, variables bool) (matcher, error)
	// negated operators hold where the one without Not does not: also where the key is missing.
	negated bool
	// null is the operator Null, which looks at whether there is a value.
	null bool
}

// readConditions reads the element Condition.
func readConditions(path string, value node, variables bool) ([]condition, error) {
	if value.kind != '{' {
		return nil, errorf(path, "it is %s, where an object is wanted, as {\"StringEquals\": {\"aws:username\": \"alice\"}}", value.kindName())
	}
	families := operatorFamilies()
	var conditions []condition
	for _, block := range value.members {
		at := path + "." + block.name
		op, ok := parseOperator(block.name, families)
		if !ok {
			return nil, errorf(at, "there is no such condition operator: there are %s, each but Null also with IfExists behind it and ForAllValues: or ForAnyValue: before it",
				strings.Join(slices.Sorted(maps.Keys(families)), ", "))
		}
		if block.value.kind != '{' || len(block.value.members) == 0 {
			return nil, errorf(at, "it is %s, where an object of condition keys and values is wanted", block.value.kindName())
		}
		for _, m := range block.value.members {
			c, err := readCondition(at+"."+m.name, op, m, variables)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, c)
		}
	}
	return conditions, nil
}

func readCondition(path string, op operator, m member, variables bool) (condition, error) {
	if m.name == "" {
		return condition{}, errorf(path, "the condition key is empty")
	}
	values, err := m.value.stringList(path, true)
	if err != nil {
		return condition{}, err
	}
	c := condition{operator: op, key: strings.ToLower(m.name)}
	for _, text := range values {
		compare, err := op.family.compile(path, text, variables)
		if err != nil {
			return condition{}, err
		}
		c.matches = append(c.matches, compare)
	}
	return c, nil
}

func parseOperator(name string, families map[string]family) (operator, bool) {
	var op operator
	base := name
	if prefix, rest, ok := strings.Cut(name, ":"); ok {
		op.set, base = set(prefix), rest
		if op.set != forAllValues && op.set != forAnyValue {
			return op, false
		}
	}
	base, op.ifExists = strings.CutSuffix(base, "IfExists")
	known := false
	op.family, known = families[base]
	if op.family.null && (op.ifExists || op.set != oneValue) {
		return op, false
	}
	return op, known
}

// holds tells whether a request meets the condition.
func (c *condition) holds(env *environment) bool {
	values := env.context[c.key]
	if c.family.null {
		return c.any(present(len(values) > 0), env)
	}
	if len(values) == 0 {
		switch {
		case c.ifExists || c.set == forAllValues:
			return true
		case c.set == forAnyValue:
			return false
		}
		return c.family.negated
	}
	switch c.set {
	case forAllValues:
		for _, value := range values {
			if c.any(value, env) == c.family.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		for _, value := range values {
			if c.any(value, env) != c.family.negated {
				return true
			}
		}
		return false
	case oneValue:
	}
	return slices.ContainsFunc(values, func(value string) bool { return c.any(value, env) }) != c.family.negated
}

// any tells whether a value is like one of the statement's.
func (c *condition) any(value string, env *environment) bool {
	for _, matches := range c.matches {
		if matches(value, env) {
			return true
		}
	}
	return false
}

// present is the value that Null compares with.
func present(is bool) string {
	if is {
		return "false"
	}
	return "true"
}
