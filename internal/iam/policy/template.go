package policy

import (
	"strings"
)

// template is a string of a policy that may hold variables: ${aws:username}, ${aws:PrincipalTag/team, 'none'},
// and ${*}, ${?}, ${$} for the characters themselves. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type template struct {
	parts []part
	// text and pattern are the whole, made ahead, where there is no variable.
	fixed   bool
	text    string
	pattern glob
}

// part is plain text, a character that is no wildcard, or a variable.
type part struct {
	text     string
	escaped  bool
	variable string
	fallback *string
}

// parseTemplate reads a string; without variables, ${…} is plain text.
func parseTemplate(path, text string, variables bool) (template, error) {
	var t template
	for rest := text; rest != ""; {
		plain, more, found := rest, "", false
		if variables {
			plain, more, found = strings.Cut(rest, "${")
		}
		if plain != "" {
			t.parts = append(t.parts, part{text: plain})
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(more, "}")
		if !closed {
			return template{}, errorf(path, "%q has a ${ without }", text)
		}
		p, err := parseVariable(path, inside)
		if err != nil {
			return template{}, err
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	t.fix()
	return t, nil
}

func parseVariable(path, inside string) (part, error) {
	switch inside {
	case "*", "?", "$":
		return part{text: inside, escaped: true}, nil
	}
	key, fallback, has := strings.Cut(inside, ",")
	p := part{variable: strings.ToLower(strings.TrimSpace(key))}
	if p.variable == "" || strings.ContainsAny(p.variable, "${") {
		return part{}, errorf(path, "${%s} is no variable: write ${key} or ${key, 'default'}", inside)
	}
	if has {
		fallback = strings.TrimSpace(fallback)
		if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
			return part{}, errorf(path, "the default of ${%s} must stand in single quotes", inside)
		}
		fallback = fallback[1 : len(fallback)-1]
		p.fallback = &fallback
	}
	return p, nil
}

// fix makes ahead what no request changes.
func (t *template) fix() {
	for _, p := range t.parts {
		if p.variable != "" {
			return
		}
	}
	t.text, _ = t.expand(nil)
	t.pattern, _ = t.glob(nil)
	t.fixed = true
}

// expand gives the string with its variables' values; ok is false where one has none, and then nothing is like it.
func (t *template) expand(env *environment) (text string, ok bool) {
	if t.fixed {
		return t.text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		value, ok := p.value(env)
		if !ok {
			return "", false
		}
		b.WriteString(value)
	}
	return b.String(), true
}

// glob gives the pattern with its variables' values, in which * and ? are no wildcards.
func (t *template) glob(env *environment) (g glob, ok bool) {
	if t.fixed {
		return t.pattern, true
	}
	for _, p := range t.parts {
		value, ok := p.value(env)
		switch {
		case !ok:
			return nil, false
		case p.variable == "" && !p.escaped:
			g = appendGlob(g, value)
		default:
			g = append(g, []rune(value)...)
		}
	}
	return g, true
}

// value of a part. A variable with several values has none: there is no telling which one is meant.
func (p part) value(env *environment) (string, bool) {
	if p.variable == "" {
		return p.text, true
	}
	if values := env.context[p.variable]; len(values) == 1 {
		return values[0], true
	}
	if p.fallback != nil {
		return *p.fallback, true
	}
	return "", false
}
