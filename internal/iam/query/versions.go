package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

func toVersion(p *v1alpha1.IAMPolicy, v v1alpha1.IAMPolicyVersion) types.PolicyVersion {
	moment := v.CreatedAt.UTC()
	if v.CreatedAt.IsZero() {
		moment = time.Unix(0, 0).UTC() // what is built in was never made
	}
	return types.PolicyVersion{VersionId: aws.String(v.ID), IsDefaultVersion: v.ID == p.Spec.DefaultVersion, CreateDate: aws.Time(moment)}
}

// versionIndex finds a version of a policy.
func versionIndex(p *v1alpha1.IAMPolicy, arn, id string) (int, error) {
	i := slices.IndexFunc(p.Spec.Versions, func(v v1alpha1.IAMPolicyVersion) bool { return v.ID == id })
	if i < 0 {
		return i, noSuchEntity("Policy %s version %s does not exist or is not attachable.", arn, id)
	}
	return i, nil
}

func (h *handler) createPolicyVersion(ctx context.Context, _ iam.Caller, in *sdk.CreatePolicyVersionInput) (*sdk.CreatePolicyVersionOutput, error) {
	if err := checkDocument(policy.Identity, *in.PolicyDocument, maxManaged); err != nil {
		return nil, err
	}
	var made types.PolicyVersion
	err := h.changePolicy(ctx, *in.PolicyArn, func(p *v1alpha1.IAMPolicy) error {
		if len(p.Spec.Versions) >= maxVersions {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Spec.LastVersion++
		version := v1alpha1.IAMPolicyVersion{ID: fmt.Sprintf("v%d", p.Spec.LastVersion), Document: *in.PolicyDocument, CreatedAt: metav1.NewTime(h.now())}
		p.Spec.Versions = append(p.Spec.Versions, version)
		if in.SetAsDefault {
			p.Spec.DefaultVersion = version.ID
		}
		made = toVersion(p, version)
		return nil
	})
	return &sdk.CreatePolicyVersionOutput{PolicyVersion: &made}, err
}

func (h *handler) getPolicyVersion(ctx context.Context, _ iam.Caller, in *sdk.GetPolicyVersionInput) (*sdk.GetPolicyVersionOutput, error) {
	object, _, err := h.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := versionIndex(object, *in.PolicyArn, *in.VersionId)
	if err != nil {
		return nil, err
	}
	version := toVersion(object, object.Spec.Versions[i])
	version.Document = escapeDocument(object.Spec.Versions[i].Document)
	return &sdk.GetPolicyVersionOutput{PolicyVersion: &version}, nil
}

func (h *handler) listPolicyVersions(ctx context.Context, _ iam.Caller, in *sdk.ListPolicyVersionsInput) (*sdk.ListPolicyVersionsOutput, error) {
	object, _, err := h.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	list := []types.PolicyVersion{}
	for _, version := range slices.Backward(object.Spec.Versions) {
		list = append(list, toVersion(object, version))
	}
	return &sdk.ListPolicyVersionsOutput{Versions: list}, nil
}

func (h *handler) setDefaultPolicyVersion(ctx context.Context, _ iam.Caller, in *sdk.SetDefaultPolicyVersionInput) (*sdk.SetDefaultPolicyVersionOutput, error) {
	return &sdk.SetDefaultPolicyVersionOutput{}, h.changePolicy(ctx, *in.PolicyArn, func(p *v1alpha1.IAMPolicy) error {
		if _, err := versionIndex(p, *in.PolicyArn, *in.VersionId); err != nil {
			return err
		}
		p.Spec.DefaultVersion = *in.VersionId
		return nil
	})
}

func (h *handler) deletePolicyVersion(ctx context.Context, _ iam.Caller, in *sdk.DeletePolicyVersionInput) (*sdk.DeletePolicyVersionOutput, error) {
	return &sdk.DeletePolicyVersionOutput{}, h.changePolicy(ctx, *in.PolicyArn, func(p *v1alpha1.IAMPolicy) error {
		i, err := versionIndex(p, *in.PolicyArn, *in.VersionId)
		if err != nil {
			return err
		}
		if p.Spec.Versions[i].ID == p.Spec.DefaultVersion {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		p.Spec.Versions = slices.Delete(p.Spec.Versions, i, i+1)
		return nil
	})
}
