package policy

import (
	"slices"
	"strings"
)

// Policy is a document and where it is attached.
type Policy struct {
	Kind Kind
	// Name is an ARN, or the name of an inline policy.
	Name     string
	Document *Document
}

// Request is what policies decide on.
type Request struct {
	Principal Principal
	// Action as eks:DescribeCluster.
	Action string
	// Resource is an ARN; "*" where the action is about none, and then only * in a policy matches.
	Resource string
	// Context holds the condition keys, in whatever case.
	Context map[string][]string
}

// environment is a request as statements see it, with everything in the case that they compare in.
type environment struct {
	action, resource string
	principal        Principal
	context          map[string][]string
}

func newEnvironment(r Request) *environment {
	env := &environment{action: strings.ToLower(r.Action), resource: r.Resource, principal: r.Principal}
	env.context = make(map[string][]string, len(r.Context))
	for key, values := range r.Context {
		env.context[strings.ToLower(key)] = values
	}
	return env
}

// verdict is what the statements of all policies say to a request.
type verdict struct {
	allows, denies []Match
	// allowed are the kinds of which one allows; there are those that are attached at all.
	allowed, there map[Kind]bool
	// closest is how closely a resource or trust policy that allows names the principal.
	closest grant
}

// Evaluate decides as AWS does within one account. A statement that denies has the last word. Otherwise each
// kind that is attached must allow: identity policies, and where there are any the boundary and the session
// policies. A resource policy that names the user or session, or everybody, is enough by itself; one that
// names the role is still bounded; one that names the account leaves it to the identity policies. A trust policy is
// the same, but has to allow: who is not trusted can't be allowed by identity policies.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
func Evaluate(policies []Policy, r Request) Decision {
	env := newEnvironment(r)
	v := verdict{allowed: map[Kind]bool{}, there: map[Kind]bool{}}
	for _, p := range policies {
		v.add(p, env)
	}
	if len(v.denies) > 0 {
		return Decision{Denied: true, By: v.denies}
	}
	if missing := v.missing(); len(missing) > 0 {
		return Decision{Missing: missing}
	}
	return Decision{Allowed: true, By: v.allows}
}

// Trusts tells whether a document lets a principal do something under any circumstances: conditions are left aside, as what
// they ask for is known only when it is done.
func (d *Document) Trusts(who Principal, action string) bool {
	lower := strings.ToLower(action)
	return slices.ContainsFunc(d.statements, func(s statement) bool {
		about := slices.ContainsFunc(s.actions, func(g glob) bool { return g.match(lower) }) != s.notActions
		return s.effect == Allow && about && s.names(who) != notNamed
	})
}

func (v *verdict) add(p Policy, env *environment) {
	v.there[p.Kind] = true
	for i := range p.Document.statements {
		s := &p.Document.statements[i]
		named := s.names(env.principal)
		if named == notNamed || !s.applies(env) {
			continue
		}
		match := Match{Kind: p.Kind, Policy: p.Name, Sid: s.sid, Statement: i}
		if s.effect == Deny {
			v.denies = append(v.denies, match)
			continue
		}
		v.allows = append(v.allows, match)
		v.allowed[p.Kind] = true
		if p.Kind == Resource || p.Kind == Trust {
			v.closest = max(v.closest, named)
		}
	}
}

// missing lists the kinds that should allow the request and do not.
func (v *verdict) missing() []Kind {
	var missing []Kind
	need := func(kind Kind, needed bool) {
		if needed && !v.allowed[kind] {
			missing = append(missing, kind)
		}
	}
	need(Trust, v.there[Trust])
	need(Boundary, v.there[Boundary] && v.closest < byName)
	need(Session, v.there[Session] && v.closest < byName)
	need(Identity, v.closest < bySource)
	return missing
}

// names tells how closely a statement names a principal. Statements without that element are attached to it.
func (s *statement) names(who Principal) grant {
	switch {
	case s.principals == nil:
		return byName
	case s.notPrincipals:
		return found(s.principals.names(who) == notNamed, byAccount)
	}
	return s.principals.names(who)
}

// applies tells whether a statement is about a request.
func (s *statement) applies(env *environment) bool {
	if slices.ContainsFunc(s.actions, func(g glob) bool { return g.match(env.action) }) == s.notActions {
		return false
	}
	if len(s.resources) > 0 && s.matchesResource(env) == s.notResources {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(env) {
			return false
		}
	}
	return true
}

func (s *statement) matchesResource(env *environment) bool {
	for i := range s.resources {
		if pattern, ok := s.resources[i].glob(env); ok && pattern.matchARN(env.resource) {
			return true
		}
	}
	return false
}
