// Package assembly puts the parts of naru server together: the memory of the hosting cluster, identities,
// the services and the front door before them.
package assembly

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/connector"
	"naru.dev/naru/internal/eks/connected"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/ec2"
	"naru.dev/naru/internal/eks/ecr"
	"naru.dev/naru/internal/eks/handlers"
	"naru.dev/naru/internal/eks/issuer"
	"naru.dev/naru/internal/eks/podidentity"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/query"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/iam/webidentity"
	"naru.dev/naru/internal/kube/consistent"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/podroles"
)

// Options are what a server depends on.
type Options struct {
	// Hosting is the connection to the hosting cluster.
	Hosting *rest.Config
	// Site of ARNs. An empty account lets Naru choose one, once.
	Site convert.Site
	// Names that clients call the server by, for its certificate.
	Names  []string
	Limits server.Limits
	// Nodes is what nodes and pods of managed clusters reach; without a listener they reach nothing.
	Nodes Nodes
	Audit io.Writer
	Log   *slog.Logger
}

// Run serves on the listener until ctx ends, and then lets the calls that have begun come to their end.
func Run(ctx context.Context, listener net.Listener, o Options) error {
	defer listener.Close()
	live, err := platform.NewClient(o.Hosting)
	if err != nil {
		return err
	}
	certificate, err := o.certificate(ctx, live, setup.TLSSecret, o.Names)
	if err != nil {
		return err
	}
	forNodes, err := o.certificate(ctx, live, podroles.ServerSecret, o.Nodes.Names)
	if err != nil {
		return err
	}
	account, err := bootstrap.Ensure(ctx, live, o.Site.Account, time.Now())
	if err != nil {
		return err
	}
	o.Site.Account = account.ID
	parts, err := assemble(ctx, o, live, account)
	if err != nil {
		return err
	}
	o.Log.Info("serving", "address", listener.Addr().String(), "account", o.Site.Account, "region", o.Site.Region)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { parts.connected.Run(ctx); return nil })
	group.Go(func() error { return server.New(parts.main).Run(ctx, listener, certificate, tls.NoClientCert) })
	if o.Nodes.Listener != nil {
		o.Log.Info("serving nodes", "address", o.Nodes.Listener.Addr().String())
		group.Go(func() error {
			return server.New(parts.nodes).Run(ctx, o.Nodes.Listener, forNodes, tls.RequestClientCert)
		})
	}
	return group.Wait()
}

// certificate makes or reads one of the server's certificates, and keeps it up to date until ctx ends.
func (o Options) certificate(ctx context.Context, live client.Client, secret string, names []string) (server.Certificate, error) {
	certificate := &setup.Certificate{Setup: &setup.Setup{Client: live, Now: time.Now}, Secret: secret, Names: names}
	if err := certificate.Read(ctx); err != nil {
		return nil, err
	}
	go certificate.Keep(ctx, o.Log)
	return certificate.Get, nil
}

// parts are the servers of the two addresses, and what looks after connected clusters.
type parts struct {
	main, nodes server.Options
	connected   *connected.Clusters
}

func assemble(ctx context.Context, o Options, live client.WithWatch, account bootstrap.Account) (parts, error) {
	hosting, err := consistent.Client(ctx, o.Hosting, platform.NewScheme(), kinds())
	if err != nil {
		return parts{}, err
	}
	identities, err := account.Access(store.New(hosting), time.Now)
	if err != nil {
		return parts{}, err
	}
	model, err := wire.NewModel()
	if err != nil {
		return parts{}, err
	}
	use := backend.New(hosting)
	operations, err := handlers.New(handlers.Options{Backend: use, Model: model, Site: o.Site, Roles: roles{account.ID, identities.Store}, Now: time.Now, NewID: uuid.NewString})
	if err != nil {
		return parts{}, err
	}
	issuers := issuer.Issuers{Clusters: use, Log: o.Log}
	// Identities are read past the memory, because others may have changed them, and written into it: who makes a role gives
	// it to a cluster in the next call.
	asked := query.Options{Access: identities, Store: store.New(consistent.Fill(live, hosting)), WebIdentities: webidentity.New(time.Now, issuers.Keys), Report: func(err error) { o.Log.Error("call failed", "error", err) }}
	identity, err := query.NewHandler(asked)
	if err != nil {
		return parts{}, err
	}
	images, err := o.images(live, hosting, account, identities)
	if err != nil {
		return parts{}, err
	}
	clusters := connected.New(connected.Options{Site: o.Site, Backend: use, Client: hosting, Credentials: identities, Authorizer: identities, Audit: images.Audit, Log: o.Log,
		Now: time.Now, NewID: uuid.NewString})
	main := server.Options{
		Site: o.Site, Model: model, EKS: operations, Authenticator: identities, Authorizer: identities,
		Unsigned: map[string]http.Handler{podroles.IssuerPath: issuers.Handler()},
		Query: map[string]http.Handler{
			"iam": identity,
			"sts": identity,
			"ec2": ec2.New(ec2.Options{Site: o.Site, Backend: use, Authorizer: identities, Log: o.Log}),
		},
		JSON:    map[string]http.Handler{"ecr": ecr.New(images)},
		Streams: map[string]http.Handler{ecr.Root: ecr.NewProxy(images), connected.Root: clusters},
		Audit:   images.Audit, Log: o.Log, Limits: o.Limits, Now: time.Now, NewID: uuid.NewString,
	}
	nodes, err := o.nodes(main, asked, podidentity.Options{Site: o.Site, Backend: use, Access: identities,
		Reviewer: podidentity.Clusters{Clients: tenant.NewOf(podroles.ReviewerSecret, live, platform.NewScheme())}})
	nodes.Streams = map[string]http.Handler{connector.Root: clusters.Agents()}
	return parts{main, nodes, clusters}, err
}

// kinds are what the server keeps in memory.
func kinds() map[client.Object]cache.ByObject {
	kept := map[client.Object]cache.ByObject{}
	for _, kind := range []client.Object{
		&v1alpha1.Cluster{}, &v1alpha1.ConnectedCluster{}, &v1alpha1.NodeGroup{}, &v1alpha1.AccessEntry{}, &v1alpha1.PodIdentityAssociation{},
		&v1alpha1.IAMUser{}, &v1alpha1.IAMRole{}, &v1alpha1.IAMPolicy{}, &v1alpha1.IAMInstanceProfile{}, &v1alpha1.IAMOIDCProvider{},
	} {
		kept[kind] = cache.ByObject{}
	}
	for _, kind := range []client.Object{&v1alpha1.Release{}, &v1alpha1.MachineClass{}, &corev1.Node{}} {
		kept[kind] = cache.ByObject{Transform: cache.TransformStripManagedFields()}
	}
	// Of Secrets only access keys: no others are read with this client.
	kept[&corev1.Secret{}] = cache.ByObject{
		Namespaces: map[string]cache.Config{v1alpha1.SystemNamespace: {LabelSelector: labels.SelectorFromSet(labels.Set(store.KeyLabels()))}},
	}
	return kept
}
