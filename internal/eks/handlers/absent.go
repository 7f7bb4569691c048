package handlers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// refused never does anything; the note, which the caller gets, says what is missing.
func refused(note string, answer func(s subject, why string) error) operation {
	return operation{Refused, note, func(*Handlers, context.Context, any) (any, error) { return nil, answer(subject{}, note) }}
}

func notPossible(s subject, why string) error { return s.request("%s", why) }

// nothing is the answer to what asks for one of a kind that this Naru never has.
func nothing(_ subject, why string) error {
	return &types.ResourceNotFoundException{Message: aws.String(why)}
}

// Why operations are refused.
const (
	noCapability  = "there are no capabilities (ACK, KRO, ARGOCD) yet: install what is needed into the cluster"
	noSubscribing = "EKS Anywhere is not sold by Naru, and Naru needs no subscription"
	always        = "; the list is always empty"
)

func absent() map[string]operation {
	return map[string]operation{
		"CreateCapability":   refused(noCapability, notPossible),
		"UpdateCapability":   refused(noCapability, nothing),
		"DescribeCapability": refused(noCapability, nothing),
		"DeleteCapability":   refused(noCapability, nothing),
		"ListCapabilities": reduced(noCapability+always, func(h *Handlers, ctx context.Context, in *eks.ListCapabilitiesInput) (*eks.ListCapabilitiesOutput, error) {
			return &eks.ListCapabilitiesOutput{Capabilities: []types.CapabilitySummary{}}, h.known(ctx, in.ClusterName)
		}),
		"CreateEksAnywhereSubscription": refused(noSubscribing, func(_ subject, why string) error {
			return &types.InvalidParameterException{Message: aws.String(why)}
		}),
		"UpdateEksAnywhereSubscription":   refused(noSubscribing, nothing),
		"DescribeEksAnywhereSubscription": refused(noSubscribing, nothing),
		"DeleteEksAnywhereSubscription":   refused(noSubscribing, nothing),
		"ListEksAnywhereSubscriptions": reduced(noSubscribing+always, func(*Handlers, context.Context, *eks.ListEksAnywhereSubscriptionsInput) (*eks.ListEksAnywhereSubscriptionsOutput, error) {
			return &eks.ListEksAnywhereSubscriptionsOutput{Subscriptions: []types.EksAnywhereSubscription{}}, nil
		}),
	}
}

// known errs unless there is such a cluster.
func (h *Handlers) known(ctx context.Context, cluster *string) error {
	if _, err := h.Backend.Cluster(ctx, *cluster); err != nil {
		return subject{cluster: *cluster}.exception(err)
	}
	return nil
}
