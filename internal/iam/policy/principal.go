package policy

import (
	"regexp"
	"slices"
	"strings"
)

// Principal is who makes a request. Exactly one of ARN, Service and Federated is set.
type Principal struct {
	// ARN of the user, or of the role's session.
	ARN string
	// Source is the ARN of what the identity policies are attached to: the user or the role itself.
	Source string
	// Account has 12 digits.
	Account string
	// Service as pods.eks.amazonaws.com.
	Service string
	// Federated is the ARN of the OIDC provider that vouches for the caller.
	Federated string
}

// grant is how closely a statement names a principal: it decides which other policies still bound the request.
type grant int

const (
	notNamed grant = iota
	// byAccount: the account is named, which leaves it to identity policies to say who of it.
	byAccount
	// bySource: the role is named, whose boundary and session policies still bound the session.
	bySource
	// byName: the session or user itself is named, or everybody.
	byName
)

// principals is the element Principal or NotPrincipal.
type principals struct {
	everybody                bool
	accounts, arns           []string
	services, federated, ids []string
}

var (
	accountNumber = regexp.MustCompile(`^[0-9]{12}$`)
	rootARN       = regexp.MustCompile(`^arn:[^:*?]+:iam::([0-9]{12}):root$`)
	principalARN  = regexp.MustCompile(`^arn:[^:*?]+:(iam|sts)::[0-9]{12}:(user|role|assumed-role|federated-user)/[^*?]+$`)
	uniqueID      = regexp.MustCompile(`^A[A-Z0-9]{15,127}$`)
)

func readPrincipals(path string, value node) (*principals, error) {
	if value.kind == 's' && value.text == "*" {
		return &principals{everybody: true}, nil
	}
	if value.kind != '{' || len(value.members) == 0 {
		return nil, errorf(path, `write "*", or an object as {"AWS": "arn:aws:iam::111122223333:role/dev"}`)
	}
	p := &principals{}
	for _, m := range value.members {
		list, err := m.value.stringList(path+"."+m.name, false)
		if err != nil {
			return nil, err
		}
		switch m.name {
		case "AWS":
			err = p.readAWS(path+".AWS", list)
		case "Service":
			p.services = list
		case "Federated":
			p.federated = list
		case "CanonicalUser":
			p.ids = append(p.ids, list...)
		default:
			return nil, errorf(path+"."+m.name, "there is no such kind of principal: there are AWS, Service, Federated and CanonicalUser")
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *principals) readAWS(path string, list []string) error {
	for _, text := range list {
		root := rootARN.FindStringSubmatch(text)
		switch {
		case text == "*":
			p.everybody = true
		case accountNumber.MatchString(text):
			p.accounts = append(p.accounts, text)
		case root != nil:
			p.accounts = append(p.accounts, root[1])
		case principalARN.MatchString(text):
			p.arns = append(p.arns, text)
		case uniqueID.MatchString(text):
			p.ids = append(p.ids, text) // what is left of a principal that was deleted: it names nobody
		default:
			return errorf(path, "%q is no principal: write an account id, or the ARN of an account's root, a user, a role or a role's session, without wildcards", text)
		}
	}
	return nil
}

// names tells how closely the element names a principal.
func (p *principals) names(who Principal) grant {
	switch {
	case p.everybody:
		return byName
	case who.Service != "":
		return found(slices.Contains(p.services, who.Service), byName)
	case who.Federated != "":
		return found(slices.Contains(p.federated, who.Federated), byName)
	case who.ARN != "" && slices.Contains(p.arns, who.ARN):
		return byName
	case who.Source != "" && slices.Contains(p.arns, who.Source):
		return bySource
	}
	return found(who.Account != "" && slices.Contains(p.accounts, who.Account), byAccount)
}

func found(is bool, as grant) grant {
	if is {
		return as
	}
	return notNamed
}

// Services lists the service principals that a policy names, so that a caller can tell whom it is for.
func (d *Document) Services() []string {
	var list []string
	for _, s := range d.statements {
		if s.principals != nil && !s.notPrincipals {
			list = append(list, s.principals.services...)
		}
	}
	slices.SortFunc(list, strings.Compare)
	return slices.Compact(list)
}
