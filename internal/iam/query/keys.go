package query

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

func (h *handler) keys() map[string]action {
	return map[string]action{
		"CreateAccessKey":      act(h.createAccessKey, "UserName"),
		"ListAccessKeys":       act(h.listAccessKeys, "UserName"),
		"UpdateAccessKey":      act(h.updateAccessKey, "UserName", "AccessKeyId", "Status"),
		"DeleteAccessKey":      act(h.deleteAccessKey, "UserName", "AccessKeyId"),
		"GetAccessKeyLastUsed": act(h.getAccessKeyLastUsed, "AccessKeyId"),
	}
}

// keysOf are a user's keys, without those of an earlier user of the same name.
func (h *handler) keysOf(ctx context.Context, user *v1alpha1.IAMUser) ([]*iam.AccessKey, error) {
	all, err := h.Store.Keys.List(ctx)
	if err != nil {
		return nil, err
	}
	var own []*iam.AccessKey
	for _, key := range all {
		if key.UserID == user.Spec.ID {
			own = append(own, key)
		}
	}
	return own, nil
}

func status(key *iam.AccessKey) types.StatusType {
	if key.Inactive {
		return types.StatusTypeInactive
	}
	return types.StatusTypeActive
}

func (h *handler) createAccessKey(ctx context.Context, _ iam.Caller, in *sdk.CreateAccessKeyInput) (*sdk.CreateAccessKeyOutput, error) {
	user, err := h.Store.Users.Get(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := h.keysOf(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(keys) >= maxKeys {
		return nil, limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
	}
	key := &iam.AccessKey{ID: iam.NewID(iam.AccessKeyPrefix), User: user.Spec.Name, UserID: user.Spec.ID, Secret: iam.NewSecret(), Created: h.now()}
	if err := h.Store.Keys.Create(ctx, key); err != nil {
		return nil, err
	}
	return &sdk.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		AccessKeyId: aws.String(key.ID), SecretAccessKey: aws.String(key.Secret), UserName: aws.String(key.User), Status: status(key), CreateDate: aws.Time(key.Created),
	}}, nil
}

func (h *handler) listAccessKeys(ctx context.Context, _ iam.Caller, in *sdk.ListAccessKeysInput) (*sdk.ListAccessKeysOutput, error) {
	user, err := h.Store.Users.Get(ctx, *in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := h.keysOf(ctx, user)
	if err != nil {
		return nil, err
	}
	list := []types.AccessKeyMetadata{}
	for _, key := range keys {
		list = append(list, types.AccessKeyMetadata{AccessKeyId: aws.String(key.ID), UserName: aws.String(key.User), Status: status(key), CreateDate: aws.Time(key.Created)})
	}
	list, more, marker, err := page("ListAccessKeys", list, func(k types.AccessKeyMetadata) string { return *k.AccessKeyId }, in.Marker, in.MaxItems)
	return &sdk.ListAccessKeysOutput{AccessKeyMetadata: list, IsTruncated: more, Marker: marker}, err
}

// ownKey reads a key that belongs to the user who is named.
func (h *handler) ownKey(ctx context.Context, name, id string) error {
	user, err := h.Store.Users.Get(ctx, name)
	if err != nil {
		return err
	}
	key, err := h.Store.Keys.Get(ctx, id)
	if err == nil && key.UserID != user.Spec.ID {
		return noSuchEntity("The Access Key with id %s cannot be found.", id)
	}
	return err
}

func (h *handler) updateAccessKey(ctx context.Context, _ iam.Caller, in *sdk.UpdateAccessKeyInput) (*sdk.UpdateAccessKeyOutput, error) {
	if in.Status != types.StatusTypeActive && in.Status != types.StatusTypeInactive {
		return nil, validation("Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", in.Status)
	}
	if err := h.ownKey(ctx, *in.UserName, *in.AccessKeyId); err != nil {
		return nil, err
	}
	_, err := h.Store.Keys.Update(ctx, *in.AccessKeyId, func(k *iam.AccessKey) error {
		k.Inactive = in.Status == types.StatusTypeInactive
		return nil
	})
	return &sdk.UpdateAccessKeyOutput{}, err
}

func (h *handler) deleteAccessKey(ctx context.Context, _ iam.Caller, in *sdk.DeleteAccessKeyInput) (*sdk.DeleteAccessKeyOutput, error) {
	if err := h.ownKey(ctx, *in.UserName, *in.AccessKeyId); err != nil {
		return nil, err
	}
	return &sdk.DeleteAccessKeyOutput{}, h.Store.Keys.Delete(ctx, *in.AccessKeyId)
}

// getAccessKeyLastUsed says whose key it is. When it was used last is not recorded, which IAM says as N/A.
func (h *handler) getAccessKeyLastUsed(ctx context.Context, _ iam.Caller, in *sdk.GetAccessKeyLastUsedInput) (*sdk.GetAccessKeyLastUsedOutput, error) {
	key, err := h.Store.Keys.Get(ctx, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	never := aws.String("N/A")
	return &sdk.GetAccessKeyLastUsedOutput{UserName: aws.String(key.User), AccessKeyLastUsed: &types.AccessKeyLastUsed{Region: never, ServiceName: never}}, nil
}
