package podidentity

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/policy"
	"naru.dev/naru/internal/iam/session"
	"naru.dev/naru/internal/podroles"
)

const (
	// longest is how long credentials last where the role lets them; chained is the limit of a role that another one assumed.
	longest = 6 * time.Hour
	chained = time.Hour
	// maxName is how long the name of a session may be.
	maxName = 64
)

// sessionTags are those that Pod Identity gives every session:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
func sessionTags(clusterARN, cluster string, pod Pod) map[string]string {
	return map[string]string{
		"eks-cluster-arn": clusterARN, "eks-cluster-name": cluster, "kubernetes-namespace": pod.Namespace,
		"kubernetes-service-account": pod.ServiceAccount, "kubernetes-pod-name": pod.Name, "kubernetes-pod-uid": pod.UID,
	}
}

var unusual = regexp.MustCompile(`[^A-Za-z0-9_+=,.@-]`)

// sessionName is eks-<cluster>-<pod>-<id>, which CloudTrail's readers know, cut where that is too long.
func sessionName(cluster, pod, id string) string {
	name := "eks-" + cluster + "-" + pod
	return unusual.ReplaceAllString(name[:min(len(name), maxName-len(id)-1)], "-") + "-" + id
}

// role reads one of this account's by its ARN.
func (h *Handler) role(ctx context.Context, arn string) (*v1alpha1.IAMRole, *policy.Document, error) {
	refusal := refuse(AccessDenied, "Unauthorized Exception! EKS does not have permissions to assume the associated role.")
	kind, name, err := access.PrincipalName(arn)
	if err != nil || kind != "role" {
		return nil, nil, refusal
	}
	role, err := h.Access.Store.Roles.Get(ctx, name)
	var missing *iam.NotFoundError
	if errors.As(err, &missing) || err == nil && iam.RoleARN(h.Access.Account, role.Spec.Path, role.Spec.Name) != arn {
		return nil, nil, refusal
	}
	if err != nil {
		return nil, nil, err
	}
	trust, err := policy.Parse(policy.Trust, role.Spec.TrustPolicy)
	if err != nil {
		return nil, nil, refusal // it was checked when it was written; whatever it says, it trusts nobody
	}
	return role, trust, nil
}

// grant is a session that is being made.
type grant struct {
	association *v1alpha1.PodIdentityAssociation
	clusterARN  string
	name        string
	tags        map[string]string
	now         time.Time
}

// actions that a role must let be done.
func (g grant) actions() []string {
	if len(g.tags) == 0 {
		return []string{"sts:AssumeRole"}
	}
	return []string{"sts:AssumeRole", "sts:TagSession"}
}

// keys are the condition keys of a trust policy.
func (g grant) keys() map[string][]string {
	keys := map[string][]string{"sts:RoleSessionName": {g.name}}
	for _, key := range slices.Sorted(maps.Keys(g.tags)) {
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
		keys["aws:RequestTag/"+key] = []string{g.tags[key]}
	}
	if len(g.tags) > 0 {
		keys["sts:TransitiveTagKeys"] = keys["aws:TagKeys"]
	}
	return keys
}

// seal makes the credentials of the association's role, or of the role that this one assumes.
func (h *Handler) seal(ctx context.Context, g grant) (session.Credentials, iam.Caller, error) {
	role, err := h.trusted(ctx, g)
	if err != nil {
		return session.Credentials{}, iam.Caller{}, err
	}
	life := min(longest, time.Duration(role.Spec.MaxSessionSeconds)*time.Second)
	if g.association.Spec.TargetRoleARN != "" {
		if role, err = h.chain(ctx, g, role); err != nil {
			return session.Credentials{}, iam.Caller{}, err
		}
		life = chained
	}
	claims := session.Claims{
		Principal: iam.RoleARN(h.Access.Account, role.Spec.Path, role.Spec.Name), PrincipalID: role.Spec.ID, Name: g.name,
		Tags: g.tags, TransitiveTagKeys: slices.Sorted(maps.Keys(g.tags)), Chained: g.association.Spec.TargetRoleARN != "",
		Issued: g.now.Unix(), Expires: g.now.Add(life).Unix(),
	}
	if g.association.Spec.Policy != "" {
		claims.Policies = []string{g.association.Spec.Policy}
	}
	made, err := h.Access.Sealer.Seal(claims)
	return made, access.RoleCaller(h.Access.Account, role, g.name, g.tags), err
}

// trusted is the association's role, if it trusts pods of this cluster.
func (h *Handler) trusted(ctx context.Context, g grant) (*v1alpha1.IAMRole, error) {
	role, trust, err := h.role(ctx, g.association.Spec.RoleARN)
	if err != nil {
		return nil, err
	}
	keys := access.Context(iam.Caller{}, g.keys(), g.now)
	keys["aws:PrincipalIsAWSService"] = []string{"true"}
	keys["aws:SourceAccount"], keys["aws:SourceArn"] = []string{h.Access.Account}, []string{g.clusterARN}
	for _, action := range g.actions() {
		decision := policy.Evaluate([]policy.Policy{{Kind: policy.Trust, Name: role.Spec.Name, Document: trust}}, policy.Request{
			Principal: policy.Principal{Service: podroles.Service}, Action: action, Resource: g.association.Spec.RoleARN, Context: keys,
		})
		if !decision.Allowed {
			return nil, refuse(AccessDenied, "Unauthorized Exception! EKS does not have permissions to assume the associated role: its trust policy does not let %s have %s", podroles.Service, action)
		}
	}
	return role, nil
}

// chain is the association's second role, if the first may assume it.
func (h *Handler) chain(ctx context.Context, g grant, first *v1alpha1.IAMRole) (*v1alpha1.IAMRole, error) {
	target, trust, err := h.role(ctx, g.association.Spec.TargetRoleARN)
	if err != nil {
		return nil, err
	}
	caller := access.RoleCaller(h.Access.Account, first, g.name, g.tags)
	caller.Session = &iam.Session{Name: g.name, Tags: g.tags, TransitiveTagKeys: slices.Sorted(maps.Keys(g.tags)), Issued: g.now, Expires: g.now.Add(chained)}
	keys := g.keys()
	keys["sts:ExternalId"] = []string{g.association.Spec.ExternalID}
	for _, action := range g.actions() {
		request := iam.Request{Action: action, Resource: g.association.Spec.TargetRoleARN, Context: keys}
		decision, err := h.Access.AuthorizeWith(ctx, caller, request, policy.Policy{Kind: policy.Trust, Name: target.Spec.Name, Document: trust})
		if err != nil {
			return nil, err
		}
		if !decision.Allowed {
			return nil, refuse(AccessDenied, "User: %s is not authorized to perform: %s on resource: %s %s", caller.ARN, action, request.Resource, decision.Because(action))
		}
	}
	return target, nil
}
