package backend

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/podroles"
)

// activationLife is how long an agent may take to come for the first time, as on EKS:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_RegisterCluster.html
const activationLife = 3 * 24 * time.Hour

// Providers are who can run a connected cluster.
func Providers() []string {
	return []string{"EKS_ANYWHERE", "ANTHOS", "GKE", "AKS", "OPENSHIFT", "TANZU", "RANCHER", "EC2", "OTHER"}
}

// NewConnectedCluster returns the manifest of a connected cluster. What lets its agent in comes when it is registered.
func NewConnectedCluster(name, provider, roleARN string) *v1alpha1.ConnectedCluster {
	return &v1alpha1.ConnectedCluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ConnectedCluster"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.ConnectedClusterSpec{Provider: provider, RoleARN: roleARN},
	}
}

// RegisterCluster writes a connected cluster and returns the code that its agent has to show, which is kept nowhere.
// Errors: *InvalidError, *RefusedError when there is a cluster of that name, connected or not.
func (b *Backend) RegisterCluster(ctx context.Context, cluster *v1alpha1.ConnectedCluster, now time.Time) (code string, err error) {
	if err := ValidateClusterName(cluster.Name); err != nil {
		return "", err
	}
	if !slices.Contains(Providers(), cluster.Spec.Provider) {
		return "", invalidf("spec.provider", "%q can't be: it is one of %s", cluster.Spec.Provider, strings.Join(Providers(), ", "))
	}
	if err := b.refuseExisting(ctx, cluster.Name); err != nil {
		return "", err
	}
	code = newActivation(cluster, now)
	err = b.client.Create(ctx, cluster, client.FieldOwner(fieldManager))
	switch {
	case apierrors.IsAlreadyExists(err):
		return "", clusterExists(cluster.Name)
	case apierrors.IsInvalid(err):
		return "", invalidf(cluster.Name, "%s", err)
	case err != nil:
		return "", fmt.Errorf("registering cluster %q: %w", cluster.Name, err)
	}
	return code, nil
}

// RenewActivation gives a connected cluster whose agent has not come another activation; the one before is good no more.
// Errors: *NotFoundError, *RefusedError when an agent was activated.
func (b *Backend) RenewActivation(ctx context.Context, name string, now time.Time) (*v1alpha1.ConnectedCluster, string, error) {
	var code string
	cluster, err := b.ChangeConnectedCluster(ctx, name, func(c *v1alpha1.ConnectedCluster) error {
		if c.Status.AgentKey != "" {
			return &RefusedError{Exists, fmt.Sprintf("the agent of cluster %q was activated already", name)}
		}
		code = newActivation(c, now)
		return nil
	})
	return cluster, code, err
}

func newActivation(cluster *v1alpha1.ConnectedCluster, now time.Time) (code string) {
	code = rand.Text()
	cluster.Spec.Activation = v1alpha1.Activation{ID: uuid.NewString(), CodeHash: connector.CodeHash(code), Expires: metav1.NewTime(now.Add(activationLife).UTC().Truncate(time.Second))}
	return code
}

// ConnectedCluster reads a connected cluster. Errors: *NotFoundError.
func (b *Backend) ConnectedCluster(ctx context.Context, name string) (*v1alpha1.ConnectedCluster, error) {
	cluster, err := b.findConnected(ctx, name)
	if err == nil && cluster == nil {
		err = b.noConnectedCluster(ctx, name)
	}
	return cluster, err
}

// findConnected is the connected cluster of that name, or nil.
func (b *Backend) findConnected(ctx context.Context, name string) (*v1alpha1.ConnectedCluster, error) {
	cluster := &v1alpha1.ConnectedCluster{}
	err := b.client.Get(ctx, client.ObjectKey{Name: name}, cluster)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for connected cluster %q: %w", name, err)
	}
	return cluster, nil
}

func (b *Backend) noConnectedCluster(ctx context.Context, name string) error {
	all, err := b.ConnectedClusters(ctx)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(all))
	for i := range all {
		names = append(names, all[i].Name)
	}
	return &NotFoundError{Kind: "connected cluster", Name: name, Next: Enumerate(names) + ` (see "naru get connectedclusters")`}
}

// ConnectedClusters lists all connected clusters, by name.
func (b *Backend) ConnectedClusters(ctx context.Context) ([]v1alpha1.ConnectedCluster, error) {
	list := &v1alpha1.ConnectedClusterList{}
	if err := b.client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing connected clusters: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.ConnectedCluster) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}

// ChangeConnectedCluster reads a connected cluster, lets change alter it, and writes it, as ChangeCluster does.
// Errors: *NotFoundError, *InvalidError, and those of change.
func (b *Backend) ChangeConnectedCluster(ctx context.Context, name string, change func(*v1alpha1.ConnectedCluster) error) (*v1alpha1.ConnectedCluster, error) {
	return write(ctx, b, func() (*v1alpha1.ConnectedCluster, error) {
		cluster, err := b.ConnectedCluster(ctx, name)
		if err != nil {
			return nil, err
		}
		return cluster, change(cluster)
	})
}

// DeregisterCluster takes a connected cluster away. naru server ends its tunnel, and lets its agent in no more; the agent
// stays in the cluster until it is deleted there. Errors: *NotFoundError.
func (b *Backend) DeregisterCluster(ctx context.Context, name string) (*v1alpha1.ConnectedCluster, error) {
	cluster, err := b.ConnectedCluster(ctx, name)
	if err != nil {
		return nil, err
	}
	uid := cluster.UID
	if err := b.client.Delete(ctx, cluster, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("deregistering cluster %q: %w", name, err)
	}
	return cluster, nil
}

// ConnectorServer is what an agent has to know of this Naru.
type ConnectorServer struct {
	// Image of naru, in Naru's registry.
	Image string
	// CA is the PEM of what signed the certificate that the agent sees.
	CA []byte
}

// ConnectorServer reads it.
func (b *Backend) ConnectorServer(ctx context.Context) (ConnectorServer, error) {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return ConnectorServer{}, err
	}
	secret := &corev1.Secret{}
	if err := b.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, secret); err != nil {
		return ConnectorServer{}, fmt.Errorf("reading the CA of naru server (look whether it runs, with \"naru status\"): %w", err)
	}
	server := ConnectorServer{CA: secret.Data[podroles.ServerCAKey]}
	if len(catalogue.Releases) > 0 {
		server.Image = catalogue.Releases[0].Spec.Images["naru"]
	}
	return server, nil
}

// IsConnected tells that an error says that a cluster is a connected one, which Naru doesn't run.
func IsConnected(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Reason == Connected
}

// notOurs is the answer to what asks for a cluster that is a connected one.
func notOurs(cluster *v1alpha1.ConnectedCluster) error {
	return &RefusedError{Connected, fmt.Sprintf("cluster %q is a connected cluster (%s), which Naru shows and does not manage: see it with \"naru get connectedclusters %s\"",
		cluster.Name, cluster.Spec.Provider, cluster.Name)}
}
