package assembly

import (
	"context"
	"errors"

	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/policy"
)

// roles asks the roles' trust policies.
type roles struct {
	account string
	store   *iam.Store
}

// Trusts implements handlers.Roles.
func (r roles) Trusts(ctx context.Context, arn, service string) (exists, trusts bool, err error) {
	kind, name, err := access.PrincipalName(arn)
	if err != nil || kind != "role" {
		return false, false, nil //nolint:nilerr // what is no principal's ARN names no role that exists
	}
	role, err := r.store.Roles.Get(ctx, name)
	var missing *iam.NotFoundError
	switch {
	case errors.As(err, &missing):
		return false, false, nil
	case err != nil:
		return false, false, err
	case iam.RoleARN(r.account, role.Spec.Path, role.Spec.Name) != arn:
		return false, false, nil
	}
	trust, err := policy.Parse(policy.Trust, role.Spec.TrustPolicy)
	if err != nil {
		return true, false, nil //nolint:nilerr // it was checked when it was written; whatever it says, it trusts nobody
	}
	return true, trust.Trusts(policy.Principal{Service: service}, "sts:AssumeRole"), nil
}
