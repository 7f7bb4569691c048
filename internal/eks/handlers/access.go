package handlers

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
)

func access() map[string]operation {
	return map[string]operation{
		"CreateAccessEntry":            reduced("entries of type STANDARD are in force at once; those of machines' types are kept, and let nobody in: nodes join with certificates", (*Handlers).createAccessEntry),
		"DescribeAccessEntry":          full((*Handlers).describeAccessEntry),
		"ListAccessEntries":            full((*Handlers).listAccessEntries),
		"UpdateAccessEntry":            full((*Handlers).updateAccessEntry),
		"DeleteAccessEntry":            full((*Handlers).deleteAccessEntry),
		"AssociateAccessPolicy":        reduced("those that ListAccessPolicies tells", (*Handlers).associateAccessPolicy),
		"DisassociateAccessPolicy":     full((*Handlers).disassociateAccessPolicy),
		"ListAssociatedAccessPolicies": full((*Handlers).listAssociatedAccessPolicies),
		"ListAccessPolicies":           reduced("the six for people and programs; those of AWS's own services are left out", (*Handlers).listAccessPolicies),
	}
}

// newEntry is what a principal gets where nothing else is asked for.
func newEntry(cluster, principal string) *v1alpha1.AccessEntry {
	entry := &v1alpha1.AccessEntry{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(cluster)}}
	entry.Spec = v1alpha1.AccessEntrySpec{PrincipalARN: principal, Type: backend.StandardEntry, Username: defaultUsername(backend.StandardEntry, principal)}
	return entry
}

// defaultUsername is EKS's: a user's ARN; of a role the session's, in which the role's path is left out; of a
// machine its node's.
func defaultUsername(kind, principal string) string {
	switch kind {
	case backend.StandardEntry:
	case "EC2_LINUX", "EC2_WINDOWS", "EC2":
		return "system:node:{{EC2PrivateDNSName}}"
	default:
		return "system:node:{{SessionName}}"
	}
	arn, err := iam.ParseARN(principal)
	if err != nil {
		return principal
	}
	path, isRole := strings.CutPrefix(arn.Resource, "role/")
	if !isRole {
		return principal
	}
	return iam.AssumedRoleARN(arn.Account, path[strings.LastIndex(path, "/")+1:], "{{SessionName}}")
}

// principal checks that an ARN is that of a user or a role.
func (s subject) principal(text string) error {
	arn, err := iam.ParseARN(text)
	if err != nil {
		return s.invalid("The principalArn parameter format is not valid: %s", err)
	}
	if arn.Service != "iam" || !strings.HasPrefix(arn.Resource, "role/") && !strings.HasPrefix(arn.Resource, "user/") {
		return s.invalid("The principalArn parameter format is not valid: %s is not the ARN of a user or a role", text)
	}
	return nil
}

func (h *Handlers) createAccessEntry(ctx context.Context, in *eks.CreateAccessEntryInput) (*eks.CreateAccessEntryOutput, error) {
	about := subject{cluster: *in.ClusterName}
	if err := about.missing(given("principalArn", in.PrincipalArn)); err != nil {
		return nil, err
	}
	if err := about.principal(*in.PrincipalArn); err != nil {
		return nil, err
	}
	entry := newEntry(*in.ClusterName, *in.PrincipalArn)
	if in.Type != nil {
		if !slices.Contains([]string{"STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "EC2"}, *in.Type) {
			return nil, about.invalid("type: %s is none of STANDARD, EC2_LINUX, EC2_WINDOWS, FARGATE_LINUX, HYBRID_LINUX, EC2", *in.Type)
		}
		entry.Spec.Type, entry.Spec.Username = *in.Type, defaultUsername(*in.Type, *in.PrincipalArn)
	}
	if in.Username != nil && entry.Spec.Type != backend.StandardEntry {
		return nil, about.invalid("username: an entry of type %s has one that can't be chosen", entry.Spec.Type)
	}
	entry.Spec.Username = first(aws.ToString(in.Username), entry.Spec.Username)
	entry.Spec.KubernetesGroups = in.KubernetesGroups
	if err := about.validTags(in.Tags); err != nil {
		return nil, err
	}
	if err := convert.SetTags(entry, in.Tags); err != nil {
		return nil, err
	}
	token := h.token("CreateAccessEntry", in.ClientRequestToken, in)
	convert.SetToken(entry, token)
	err := h.Backend.CreateAccessEntry(ctx, entry)
	if exists(err) {
		if entry, err = h.Backend.AccessEntry(ctx, *in.ClusterName, *in.PrincipalArn); err == nil {
			err = about.repeated(token, convert.TokenOf(entry), "The specified access entry resource is already in use on this cluster.")
		}
	}
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.CreateAccessEntryOutput{AccessEntry: h.Site.AccessEntry(entry)}, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (h *Handlers) describeAccessEntry(ctx context.Context, in *eks.DescribeAccessEntryInput) (*eks.DescribeAccessEntryOutput, error) {
	entry, err := h.Backend.AccessEntry(ctx, *in.ClusterName, *in.PrincipalArn)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	return &eks.DescribeAccessEntryOutput{AccessEntry: h.Site.AccessEntry(entry)}, nil
}

func (h *Handlers) listAccessEntries(ctx context.Context, in *eks.ListAccessEntriesInput) (*eks.ListAccessEntriesOutput, error) {
	about := subject{cluster: *in.ClusterName}
	entries, err := h.Backend.AccessEntries(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	principals := []string{}
	for _, entry := range entries {
		wanted := func(a v1alpha1.AccessPolicyAssociation) bool {
			return convert.AccessPolicyARN(a.Policy) == *in.AssociatedPolicyArn
		}
		if in.AssociatedPolicyArn == nil || slices.ContainsFunc(entry.Spec.Policies, wanted) {
			principals = append(principals, entry.Spec.PrincipalARN)
		}
	}
	which := []string{"ListAccessEntries", *in.ClusterName, aws.ToString(in.AssociatedPolicyArn)}
	part, next, err := page(about, pages{which, in.MaxResults, in.NextToken}, principals, itself)
	return &eks.ListAccessEntriesOutput{AccessEntries: part, NextToken: next}, err
}

func (h *Handlers) updateAccessEntry(ctx context.Context, in *eks.UpdateAccessEntryInput) (*eks.UpdateAccessEntryOutput, error) {
	about := subject{cluster: *in.ClusterName}
	entry, err := h.Backend.ChangeAccessEntry(ctx, *in.ClusterName, *in.PrincipalArn, func(entry *v1alpha1.AccessEntry) error {
		if entry.Spec.Type != backend.StandardEntry {
			return about.request("An access entry of type %s can't be changed", entry.Spec.Type)
		}
		if in.KubernetesGroups != nil {
			entry.Spec.KubernetesGroups = in.KubernetesGroups
		}
		if in.Username != nil {
			entry.Spec.Username = *in.Username
		}
		return nil
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.UpdateAccessEntryOutput{AccessEntry: h.Site.AccessEntry(entry)}, nil
}

func (h *Handlers) deleteAccessEntry(ctx context.Context, in *eks.DeleteAccessEntryInput) (*eks.DeleteAccessEntryOutput, error) {
	if err := h.Backend.DeleteAccessEntry(ctx, *in.ClusterName, *in.PrincipalArn); err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	return &eks.DeleteAccessEntryOutput{}, nil
}
