package assembly

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/ecr"
	"naru.dev/naru/internal/iam/access"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/registry"
)

// images is what ECR and its proxy work with. Repositories are read and written past the memory, which has none of them.
func (o Options) images(live client.Client, hosting client.Reader, account bootstrap.Account, identities *access.Access) (ecr.Options, error) {
	key, err := account.Sealer.Key(ecr.KeyPurpose)
	if err != nil {
		return ecr.Options{}, err
	}
	own := func(ctx context.Context) (registry.Own, error) {
		var releases v1alpha1.ReleaseList
		if err := hosting.List(ctx, &releases); err != nil {
			return nil, fmt.Errorf("reading which images are Naru's own: %w", err)
		}
		return registry.OwnOf(releases.Items), nil
	}
	connection := &ecr.Connection{Client: live, Now: time.Now}
	return ecr.Options{
		Site: o.Site, Access: identities, Records: ecr.Records{Client: live}, Connect: connection.Connect, Own: own, Key: key,
		Audit: audit.NewLog(o.Audit), Log: o.Log, Now: time.Now, NewID: uuid.NewString,
	}, nil
}
