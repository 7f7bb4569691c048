// Package platform connects to the hosting cluster that runs on this machine and, through it, to
// the clusters that it hosts.
package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/standalone/layout"
)

// Secrets and their keys that connecting needs.
const (
	adminKubeconfigSecret = "kubeconfig-admin"
	kubeconfigKey         = "kubeconfig"
	loopback              = "127.0.0.1"
)

// NotRunningError says that the hosting cluster can't be reached from here.
type NotRunningError struct{ Err error }

func (e *NotRunningError) Error() string {
	return `Naru is not running on this machine: start it with "naru up"`
}

func (e *NotRunningError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*NotRunningError) ExitCode() int { return exitcode.NotRunning }

// NoAccessError says that this user may not read the hosting cluster's credentials.
type NoAccessError struct {
	Path string
	Err  error
}

func (e *NoAccessError) Error() string {
	return fmt.Sprintf("%s can't be read by this user: run naru as root, as with sudo", e.Path)
}

func (e *NoAccessError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*NoAccessError) ExitCode() int { return exitcode.Failed }

// Platform is a connection to the hosting cluster. Nothing is sent before it is used.
type Platform struct {
	State  layout.State
	Config *rest.Config
	Client client.WithWatch
}

// Open reads the hosting cluster's credentials from the state folder.
// Errors: *NotRunningError, *NoAccessError.
func Open() (*Platform, error) {
	state, err := layout.FindState("")
	if err != nil {
		return nil, err
	}
	kubeconfig, err := HostingKubeconfig(state)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", state.HostingKubeconfig(), err)
	}
	prepare(config)
	c, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	return &Platform{State: state, Config: config, Client: c}, nil
}

// HostingKubeconfig reads the hosting cluster's administrator kubeconfig.
// Errors: *NotRunningError, *NoAccessError.
func HostingKubeconfig(state layout.State) ([]byte, error) {
	data, err := os.ReadFile(state.HostingKubeconfig())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &NotRunningError{Err: err}
	case errors.Is(err, fs.ErrPermission):
		return nil, &NoAccessError{Path: state.HostingKubeconfig(), Err: err}
	case err != nil:
		return nil, fmt.Errorf("reading the hosting cluster's kubeconfig: %w", err)
	}
	return data, nil
}

// prepare lifts client-side rate limits, which only slow a command down, and names the client.
func prepare(config *rest.Config) {
	config.QPS, config.Burst = -1, -1
	config.UserAgent = "naru"
	config.WarningHandler = rest.NoWarnings{}
}

// NewClient returns a client that knows Naru's and Kubernetes' kinds.
func NewClient(config *rest.Config) (client.WithWatch, error) {
	scheme := NewScheme()
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	return c, nil
}

// NewScheme returns a scheme with Naru's and Kubernetes' kinds.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // the kinds are compiled in
		}
	}
	return scheme
}

// Kubeconfig is the administrator kubeconfig of a cluster, as a user of this machine needs it:
// its server is the published port on 127.0.0.1.
// Errors: *NotReadyError while the cluster has no endpoint or credentials yet.
func (p *Platform) Kubeconfig(ctx context.Context, cluster *v1alpha1.Cluster) ([]byte, error) {
	if cluster.Status.Endpoint.Port == 0 {
		return nil, &NotReadyError{Cluster: cluster.Name, What: "endpoint"}
	}
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: v1alpha1.Namespace(cluster.Name), Name: adminKubeconfigSecret}
	if err := p.Client.Get(ctx, key, secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the credentials of cluster %q: %w", cluster.Name, err)
	}
	data := secret.Data[kubeconfigKey]
	if len(data) == 0 {
		return nil, &NotReadyError{Cluster: cluster.Name, What: "credentials"}
	}
	config, err := clientcmd.Load(data)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials of cluster %q: %w", cluster.Name, err)
	}
	for _, entry := range config.Clusters {
		entry.Server = fmt.Sprintf("https://%s:%d", loopback, cluster.Status.Endpoint.Port)
		entry.TLSServerName = ""
	}
	return clientcmd.Write(*config)
}

// NotReadyError says that a cluster does not have yet what was asked of it.
type NotReadyError struct{ Cluster, What string }

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("cluster %q has no %s yet: wait for it with \"naru get cluster %s -w\"", e.Cluster, e.What, e.Cluster)
}

// ExitCode implements the convention of package exitcode.
func (*NotReadyError) ExitCode() int { return exitcode.Failed }

// TenantConfig is how this machine reaches a cluster's API, as its administrator.
// Errors: *NotReadyError.
func (p *Platform) TenantConfig(ctx context.Context, cluster *v1alpha1.Cluster) (*rest.Config, error) {
	kubeconfig, err := p.Kubeconfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials of cluster %q: %w", cluster.Name, err)
	}
	prepare(config)
	config.Timeout = 30 * time.Second
	return config, nil
}
