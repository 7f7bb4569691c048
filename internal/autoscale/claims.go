package autoscale

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// suffixLength of a claim's name: two of 27^10 don't meet.
const suffixLength = 10

// claims is a client that creates NodeClaims by server-side apply. An API server holds each creation of an object whose kind is not
// two seconds old for two seconds, since another API server may not know the kind yet (customresource_handler.go of
// k8s.io/apiextensions-apiserver). A new cluster's first claims come in that time, and its nodes would wait for them.
type claims struct{ client.Client }

func newClaims(config *rest.Config, options client.Options) (client.Client, error) {
	c, err := client.New(config, options)
	return claims{c}, err
}

// Create creates an object. It is the client that gives a NodeClaim its name.
func (c claims) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	claim, ok := object.(*karpenter.NodeClaim)
	if !ok || claim.GenerateName == "" || len(options) > 0 {
		return c.Client.Create(ctx, object, options...)
	}
	kind, err := c.GroupVersionKindFor(claim)
	if err != nil {
		return fmt.Errorf("looking up the kind of a NodeClaim: %w", err)
	}
	claim.SetGroupVersionKind(kind)
	claim.Name, claim.GenerateName = claim.GenerateName+rand.String(suffixLength), ""
	content, err := json.Marshal(claim)
	if err != nil {
		return fmt.Errorf("encoding NodeClaim %s: %w", claim.Name, err)
	}
	return c.Patch(ctx, claim, client.RawPatch(types.ApplyPatchType, content), client.FieldOwner(userAgent), client.ForceOwnership)
}
