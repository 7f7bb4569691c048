package policy

import (
	"fmt"
	"slices"
)

// Kind is what a policy does to a request. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
type Kind string

// The kinds of policies, named as AWS names them in its refusals.
const (
	Identity Kind = "identity-based policy"
	Boundary Kind = "permissions boundary"
	Session  Kind = "session policy"
	Resource Kind = "resource-based policy"
	Trust    Kind = "role trust policy"
)

// Match is a statement that had a part in a decision.
type Match struct {
	// Kind and Policy say where the statement stands. Policy is an ARN, or the name of an inline policy.
	Kind   Kind   `json:"kind"`
	Policy string `json:"policy"`
	// Sid of the statement, and its position in the policy, from 0.
	Sid       string `json:"sid,omitempty"`
	Statement int    `json:"statement"`
}

func (m Match) String() string {
	if m.Sid != "" {
		return fmt.Sprintf("statement %q of %s %q", m.Sid, m.Kind, m.Policy)
	}
	return fmt.Sprintf("statement %d of %s %q", m.Statement+1, m.Kind, m.Policy)
}

// Decision says whether a request is allowed, and why.
type Decision struct {
	// Allowed is false unless every policy that bounds the request allows it, and none denies it.
	Allowed bool
	// Denied tells that a statement denies it; otherwise a refusal is because none allows it.
	Denied bool
	// By are the statements that decided: those that deny, or else those that allow.
	By []Match
	// Missing are the kinds of policies of which none allows the request; set on a refusal that is not Denied.
	Missing []Kind
}

// Because finishes the sentence "… is not authorized to perform: eks:DescribeCluster on resource: … " in AWS's own
// words. It is empty for what is allowed.
func (d Decision) Because(action string) string {
	switch {
	case d.Allowed:
		return ""
	case d.Denied && len(d.By) > 0:
		return fmt.Sprintf("with an explicit deny in %s %s", article(d.By[0].Kind), d.By[0].Kind)
	case len(d.Missing) > 0:
		return fmt.Sprintf("because no %s allows the %s action", first(d.Missing), action)
	}
	return fmt.Sprintf("because no policy allows the %s action", action)
}

func article(k Kind) string {
	if k == Identity {
		return "an"
	}
	return "a"
}

// first is the kind that a user has to look at first: AWS names one.
func first(missing []Kind) Kind {
	for _, kind := range []Kind{Boundary, Session, Trust, Identity, Resource} {
		if slices.Contains(missing, kind) {
			return kind
		}
	}
	return missing[0]
}
