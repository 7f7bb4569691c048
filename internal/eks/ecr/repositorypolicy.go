package ecr

import (
	"context"
	"net/http"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

// maxPolicy is how long a policy may be: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_SetRepositoryPolicy.html
const maxPolicy = 10240

const setPolicyAction = "ecr:SetRepositoryPolicy"

// parsePolicy reads the policy of a repository. It has principals, and no resources, as a trust policy: its resource is the repository.
func parsePolicy(text string) (*policy.Document, error) { return policy.Parse(policy.Trust, text) }

// ofRepository is a record's policy as what decides takes it, beside the caller's own; none where the repository has none.
func (o Options) ofRepository(record Record) ([]policy.Policy, error) {
	if record.Policy == "" {
		return nil, nil
	}
	document, err := parsePolicy(record.Policy)
	if err != nil {
		return nil, err
	}
	return []policy.Policy{{Kind: policy.Resource, Name: arn(o.Site, record.Name), Document: document}}, nil
}

func (h *Handler) setPolicy(r *http.Request, in setPolicyInput) (any, error) {
	if len(in.Text) > maxPolicy {
		return nil, invalid("policyText: it has %d characters, at most %d can be", len(in.Text), maxPolicy)
	}
	if _, err := parsePolicy(in.Text); err != nil {
		return nil, invalid("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided': %s", err)
	}
	_, record, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	if record.Policy = in.Text; !in.Force {
		if err := h.staysOpen(r.Context(), record); err != nil {
			return nil, err
		}
	}
	err = h.Records.Change(r.Context(), in.Name, func(kept *Record) { kept.Policy = in.Text })
	return h.policyOf(record), err
}

// staysOpen refuses a policy by which its author could not set another one.
func (h *Handler) staysOpen(ctx context.Context, record Record) error {
	caller, _ := iam.CallerFrom(ctx)
	own, err := h.ofRepository(record)
	if err != nil {
		return err
	}
	decision, err := h.Access.AuthorizeWith(ctx, caller, iam.Request{Action: setPolicyAction, Resource: arn(h.Site, record.Name)}, own...)
	if err == nil && !decision.Allowed {
		err = invalid("policyText: with it, %s could not set another policy: let it have %s, or set force", caller.ARN, setPolicyAction)
	}
	return err
}

func (h *Handler) getPolicy(r *http.Request, in policyInput) (any, error) {
	record, err := h.withPolicy(r.Context(), in.Name)
	return h.policyOf(record), err
}

func (h *Handler) deletePolicy(r *http.Request, in policyInput) (any, error) {
	record, err := h.withPolicy(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	err = h.Records.Change(r.Context(), in.Name, func(kept *Record) { kept.Policy = "" })
	return h.policyOf(record), err
}

// withPolicy finds a repository that has to have one. Errors: *failure.
func (h *Handler) withPolicy(ctx context.Context, name string) (Record, error) {
	_, record, err := h.open(ctx, name)
	if err == nil && record.Policy == "" {
		err = failed("RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, h.Site.Account)
	}
	return record, err
}

func (h *Handler) policyOf(record Record) map[string]any {
	return map[string]any{"registryId": h.Site.Account, "repositoryName": record.Name, "policyText": record.Policy}
}
