package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Document is a parsed policy: immutable, and safe for use by several goroutines.
type Document struct {
	// Version is 2012-10-17, or 2008-10-17, in which variables are plain text.
	Version string
	// ID is the element Id.
	ID string

	statements []statement
}

// Effect is what a statement does.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// The versions of the policy language.
const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

type statement struct {
	sid           string
	effect        Effect
	actions       []glob
	notActions    bool
	resources     []template
	notResources  bool
	principals    *principals
	notPrincipals bool
	conditions    []condition
}

var (
	sidPattern    = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	actionPattern = regexp.MustCompile(`^(\*|\*:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$`)
)

// Parse reads a policy document. The kind decides which elements it must have: identity policies, boundaries and
// session policies name resources and no principal, trust policies a principal and no resource, resource policies both.
// Errors: *Error, which names the element.
func Parse(kind Kind, text string) (*Document, error) {
	root, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	if root.kind != '{' {
		return nil, errorf("", "a policy is an object, this is %s", root.kindName())
	}
	document := &Document{Version: version2008}
	var statements *node
	for _, m := range root.members {
		switch m.name {
		case "Version":
			if document.Version = m.value.text; m.value.kind != 's' || (m.value.text != version2012 && m.value.text != version2008) {
				return nil, errorf("Version", "%q is no version of the policy language: write %q", m.value.text, version2012)
			}
		case "Id":
			if document.ID = m.value.text; m.value.kind != 's' {
				return nil, errorf("Id", "it is %s, where a string is wanted", m.value.kindName())
			}
		case "Statement":
			statements = &m.value
		default:
			return nil, errorf(m.name, "there is no such element: a policy has Version, Id and Statement")
		}
	}
	if statements == nil {
		return nil, errorf("Statement", "it is missing")
	}
	if err := document.readStatements(kind, *statements); err != nil {
		return nil, err
	}
	return document, nil
}

func (d *Document) readStatements(kind Kind, list node) error {
	items := []node{list}
	if list.kind == '[' {
		items = list.items
	}
	if len(items) == 0 {
		return errorf("Statement", "the list is empty: a policy has at least one statement")
	}
	sids := map[string]bool{}
	for i, item := range items {
		reader := statementReader{path: fmt.Sprintf("Statement[%d]", i), variables: d.Version == version2012}
		if err := reader.read(kind, item); err != nil {
			return err
		}
		if sid := reader.statement.sid; sid != "" {
			if sids[sid] {
				return errorf(reader.path+".Sid", "%q is there twice: a Sid is unique in its policy", sid)
			}
			sids[sid] = true
		}
		d.statements = append(d.statements, reader.statement)
	}
	return nil
}

// statementReader reads one statement.
type statementReader struct {
	path      string
	variables bool
	seen      []string
	statement statement
}

func (r *statementReader) read(kind Kind, object node) error {
	if object.kind != '{' {
		return errorf(r.path, "a statement is an object, this is %s", object.kindName())
	}
	for _, m := range object.members {
		r.seen = append(r.seen, m.name)
		if err := r.element(r.path+"."+m.name, m.name, m.value); err != nil {
			return err
		}
	}
	return r.complete(kind)
}

func (r *statementReader) element(path, name string, value node) error {
	s, err := &r.statement, error(nil)
	switch name {
	case "Sid":
		if s.sid = value.text; value.kind != 's' || !sidPattern.MatchString(value.text) {
			return errorf(path, "%q can't be: a Sid has letters and digits only", value.text)
		}
	case "Effect":
		if s.effect = Effect(value.text); s.effect != Allow && s.effect != Deny {
			return errorf(path, "%q can't be: write Allow or Deny", value.text)
		}
	case "Action", "NotAction":
		s.notActions = name == "NotAction"
		s.actions, err = readActions(path, value)
	case "Resource", "NotResource":
		s.notResources = name == "NotResource"
		s.resources, err = r.readResources(path, value)
	case "Principal", "NotPrincipal":
		s.notPrincipals = name == "NotPrincipal"
		s.principals, err = readPrincipals(path, value)
	case "Condition":
		s.conditions, err = readConditions(path, value, r.variables)
	default:
		return errorf(path, "there is no such element: a statement has Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource and Condition")
	}
	return err
}

// complete checks which elements are there, as the kind of policy wants.
func (r *statementReader) complete(kind Kind) error {
	if !slices.Contains(r.seen, "Effect") {
		return errorf(r.path+".Effect", "it is missing: write Allow or Deny")
	}
	if err := r.oneOf("Action", true); err != nil {
		return err
	}
	ofResource := kind == Resource || kind == Trust
	if err := r.oneOf("Principal", ofResource); err != nil {
		return err
	}
	return r.oneOf("Resource", kind != Trust)
}

// oneOf wants an element or its Not… form, not both; or none of them.
func (r *statementReader) oneOf(name string, wanted bool) error {
	plain, not := slices.Contains(r.seen, name), slices.Contains(r.seen, "Not"+name)
	switch {
	case plain && not:
		return errorf(r.path, "it has both %s and Not%s: choose one", name, name)
	case wanted && !plain && !not:
		return errorf(r.path+"."+name, "it is missing")
	case !wanted && (plain || not):
		return errorf(r.path+"."+name, "this kind of policy can't have it")
	}
	return nil
}

func readActions(path string, value node) ([]glob, error) {
	list, err := value.stringList(path, false)
	if err != nil {
		return nil, err
	}
	actions := make([]glob, 0, len(list))
	for _, text := range list {
		if !actionPattern.MatchString(text) {
			return nil, errorf(path, "%q is no action: write a service and an operation, as eks:DescribeCluster or eks:List*", text)
		}
		actions = append(actions, compileGlob(strings.ToLower(text)))
	}
	return actions, nil
}

func (r *statementReader) readResources(path string, value node) ([]template, error) {
	list, err := value.stringList(path, false)
	if err != nil {
		return nil, err
	}
	resources := make([]template, 0, len(list))
	for _, text := range list {
		if text != "*" && !strings.HasPrefix(text, "arn:") && !(r.variables && strings.HasPrefix(text, "${")) {
			return nil, errorf(path, "%q is no resource: write an ARN, as arn:aws:eks:*:*:cluster/prod, or *", text)
		}
		resource, err := parseTemplate(path, text, r.variables)
		if err != nil {
			return nil, err
		}
		resources = append(resources, resource)
	}
	return resources, nil
}
