package handlers

import (
	"cmp"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/tier"
)

// tier checks and sets the tier that a request asks for. Whether there is room for it is seen when it is made.
func (s subject) tier(in *types.ControlPlaneScalingConfig, spec *v1alpha1.ControlPlaneSpec) error {
	if in != nil && in.Tier != "" {
		spec.Tier = string(in.Tier)
	}
	err := backend.ValidateTier(*spec)
	if invalid := new(backend.InvalidError); errors.As(err, &invalid) && tier.Provisioned(spec.Tier) && spec.Replicas == 1 {
		return s.invalid("controlPlaneScalingConfig.tier: %s needs 3 replicas, as what it promises has to be there when one is lost: set the tag %s to 3, or the tier to %s",
			spec.Tier, replicasTag, tier.Standard)
	} else if errors.As(err, &invalid) {
		return s.invalid("controlPlaneScalingConfig.tier: %s", invalid.Message)
	}
	return nil
}

// changeTier changes the tier of a cluster, and tells from which to which. An earlier change for which there was no room stays failed.
func (s subject) changeTier(cluster *v1alpha1.Cluster, in *types.ControlPlaneScalingConfig) ([][2]string, error) {
	spec := &cluster.Spec.ControlPlane
	if err := s.tier(in, spec); err != nil {
		return nil, err
	}
	if spec.Tier == tier.Standard {
		spec.Tier = "" // as it is where nobody ever asked
	}
	told := [][2]string{
		{string(types.UpdateParamTypePreviousTier), cmp.Or(cluster.Status.Tier, tier.Standard)},
		{string(types.UpdateParamTypeUpdatedTier), cmp.Or(spec.Tier, tier.Standard)},
	}
	return told, convert.EndTier(cluster)
}
