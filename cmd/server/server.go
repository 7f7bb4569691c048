// Package server is the command `naru server`.
package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/handlers"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/kube/consistent"
	"naru.dev/naru/internal/platform"
)

const qps, burst = 200, 400

type flags struct {
	kubeconfig, address, audit string
	names                      []string
	site                       convert.Site
}

// New returns the command that the Deployment naru-server runs.
func New() *cobra.Command {
	var f flags
	command := &cobra.Command{
		Use:    "server",
		Short:  "Serve the EKS API, and the parts of IAM, STS and EC2 that its users need",
		Long:   `Runs in the hosting cluster, started by "naru up".`,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(command *cobra.Command, _ []string) error { return run(command.Context(), f) },
	}
	set := command.Flags()
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the hosting cluster; empty: the pod's own service account")
	set.StringVar(&f.address, "address", ":8443", "where to listen")
	set.StringVar(&f.audit, "audit", "-", "file that a line of JSON is written to for each call; -: standard output")
	set.StringSliceVar(&f.names, "names", []string{"127.0.0.1", "localhost", "naru-server.naru-system.svc"}, "what clients call the server by, for its certificate")
	set.StringVar(&f.site.Account, "account", "", "account id in ARNs, 12 digits; it can't be changed later (default: one that Naru chooses once)")
	set.StringVar(&f.site.Region, "region", "naru-kr-1", "region in ARNs")
	return command
}

func run(ctx context.Context, f flags) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(log.Handler()))
	config, err := connect(f.kubeconfig)
	if err != nil {
		return err
	}
	lines, err := auditFile(f.audit)
	if err != nil {
		return err
	}
	live, err := platform.NewClient(config)
	if err != nil {
		return err
	}
	certificate := &setup.Certificate{Setup: &setup.Setup{Client: live, Now: time.Now}, Names: f.names}
	if err := certificate.Read(ctx); err != nil {
		return err
	}
	go certificate.Keep(ctx, log)
	account, err := bootstrap.Ensure(ctx, live, f.site.Account, time.Now())
	if err != nil {
		return err
	}
	f.site.Account = account.ID
	assembled, err := assemble(ctx, config, f.site, account)
	if err != nil {
		return err
	}
	assembled.Audit, assembled.Log = audit.NewLog(lines), log
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", f.address, err)
	}
	log.Info("serving", "address", listener.Addr().String(), "account", f.site.Account, "region", f.site.Region)
	return server.New(assembled).Run(ctx, listener, certificate.Get)
}

func connect(kubeconfig string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to the hosting cluster (outside of it, name one with --kubeconfig): %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = qps, burst, "naru-server"
	return config, nil
}

func auditFile(path string) (io.Writer, error) {
	if path == "-" {
		return os.Stdout, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return file, nil
}

// kinds are what the server keeps in memory.
func kinds() map[client.Object]cache.ByObject {
	kept := map[client.Object]cache.ByObject{}
	for _, kind := range []client.Object{
		&v1alpha1.Cluster{}, &v1alpha1.NodeGroup{}, &v1alpha1.AccessEntry{}, &v1alpha1.PodIdentityAssociation{},
		&v1alpha1.IAMUser{}, &v1alpha1.IAMRole{}, &v1alpha1.IAMPolicy{}, &v1alpha1.IAMInstanceProfile{}, &v1alpha1.IAMOIDCProvider{},
	} {
		kept[kind] = cache.ByObject{}
	}
	for _, kind := range []client.Object{&v1alpha1.Release{}, &v1alpha1.MachineClass{}, &corev1.Node{}} {
		kept[kind] = cache.ByObject{Transform: cache.TransformStripManagedFields()}
	}
	// Of Secrets only access keys, of which a client reads no others.
	kept[&corev1.Secret{}] = cache.ByObject{
		Namespaces: map[string]cache.Config{v1alpha1.SystemNamespace: {LabelSelector: labels.SelectorFromSet(labels.Set(store.KeyLabels()))}},
	}
	return kept
}

// assemble puts the server together.
func assemble(ctx context.Context, config *rest.Config, site convert.Site, account bootstrap.Account) (server.Options, error) {
	hosting, err := consistent.Client(ctx, config, platform.NewScheme(), kinds())
	if err != nil {
		return server.Options{}, err
	}
	identities, err := account.Access(store.New(hosting), time.Now)
	if err != nil {
		return server.Options{}, err
	}
	model, err := wire.NewModel()
	if err != nil {
		return server.Options{}, err
	}
	operations, err := handlers.New(handlers.Options{Backend: backend.New(hosting), Model: model, Site: site, Now: time.Now, NewID: uuid.NewString})
	if err != nil {
		return server.Options{}, err
	}
	return server.Options{
		Site: site, Model: model, EKS: operations, Authenticator: identities, Authorizer: identities, Query: map[string]http.Handler{},
		Limits: server.DefaultLimits(), Now: time.Now, NewID: uuid.NewString,
	}, nil
}
