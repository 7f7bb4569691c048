package standalone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/node/agent"
	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/base"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// poll is how long to wait until a part of the platform is asked again.
const poll = 200 * time.Millisecond

// connect waits for the hosting API and returns a client of it.
func (u *upper) connect(ctx context.Context) (client.Client, error) {
	var connected client.Client
	err := u.step("waiting for the hosting cluster", func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, u.Timeout)
		defer cancel()
		var last error
		for {
			if connected, last = hostingClient(ctx, u.State); last == nil {
				return "", nil
			}
			if _, running, _ := daemon.Running(u.State); !running {
				return "", fmt.Errorf("the daemon ended: %s", lastLine(u.State.DaemonLog()))
			}
			select {
			case <-ctx.Done():
				return "", fmt.Errorf("the hosting API is not ready (%w); what the hosts say is in %s", last, u.State.Hosts())
			case <-time.After(poll):
			}
		}
	})
	return connected, err
}

// hostingClient succeeds once the hosting API says that it is ready.
func hostingClient(ctx context.Context, state layout.State) (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", state.HostingKubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading hosting kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	transport, err := httpClient(config.CAData)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/readyz", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the hosting API: %w", err)
	}
	response, err := transport.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the hosting API: %w", err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the hosting API: status %d", response.StatusCode)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("preparing client: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("preparing client: %w", err)
	}
	return client.New(config, client.Options{Scheme: scheme})
}

func httpClient(ca []byte) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading CA: no certificate in it")
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}, nil
}

// install gives the hosting cluster what every hosting cluster gets.
func (u *upper) install(ctx context.Context, c client.Client) error {
	role, binding := agent.ClusterRole(), agent.ClusterRoleBinding()
	if err := apply.Typed(ctx, c, role, binding); err != nil {
		return err
	}
	in := u.input()
	var objects []*unstructured.Unstructured
	err := u.step("installing Naru", func() (string, error) {
		namespace, err := base.NamespaceObject()
		if err != nil {
			return "", err
		}
		if err := apply.Objects(ctx, c, namespace...); err != nil {
			return "", err
		}
		if in.RegistryChecksum, err = base.EnsureRegistryCredentials(ctx, c, u.State, time.Now()); err != nil {
			return "", err
		}
		if objects, err = base.Objects(in); err != nil {
			return "", err
		}
		return "", u.awaitApplied(ctx, c, objects...)
	})
	if err != nil {
		return err
	}
	if err := u.awaitNodes(ctx, c); err != nil {
		return err
	}
	if err := u.awaitWorkload(ctx, c, "registry"); err != nil {
		return err
	}
	if err := u.register(ctx, c); err != nil {
		return err
	}
	for _, name := range base.Workloads(objects) {
		if err := u.awaitWorkload(ctx, c, name); err != nil {
			return err
		}
	}
	return nil
}

// awaitApplied applies objects, some of whose kinds may have been defined a moment ago.
func (u *upper) awaitApplied(ctx context.Context, c client.Client, objects ...*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, u.Timeout)
	defer cancel()
	for {
		err := apply.Objects(ctx, c, objects...)
		if err == nil || !(meta.IsNoMatchError(err) || apierrors.IsNotFound(err)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(poll):
		}
	}
}

func (u *upper) awaitNodes(ctx context.Context, c client.Client) error {
	return u.step("waiting for hosts to be ready", func() (string, error) {
		return "", await(ctx, u.Timeout, func() error {
			var nodes corev1.NodeList
			if err := c.List(ctx, &nodes); err != nil {
				return fmt.Errorf("listing nodes: %w", err)
			}
			return readyNodes(nodes.Items, u.hosts)
		})
	})
}

// readyNodes says which of the wanted nodes is not ready, and why.
func readyNodes(nodes []corev1.Node, wanted int) error {
	ready := 0
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if condition.Type != corev1.NodeReady {
				continue
			}
			if condition.Status != corev1.ConditionTrue {
				return fmt.Errorf("node %s is not ready: %s", node.Name, condition.Message)
			}
			ready++
		}
	}
	if ready < wanted {
		return fmt.Errorf("%d of %d nodes are ready", ready, wanted)
	}
	return nil
}

func (u *upper) awaitWorkload(ctx context.Context, c client.Client, name string) error {
	return u.step("waiting for "+name, func() (string, error) {
		return "", await(ctx, u.Timeout, func() error {
			var deployment appsv1.Deployment
			if err := c.Get(ctx, client.ObjectKey{Namespace: base.Namespace, Name: name}, &deployment); err != nil {
				return fmt.Errorf("reading Deployment %s: %w", name, err)
			}
			return available(&deployment)
		})
	})
}

// available says what a Deployment lacks to be rolled out.
func available(d *appsv1.Deployment) error {
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < wanted || d.Status.AvailableReplicas < wanted {
		return fmt.Errorf("%s has %d of %d pods available", d.Name, d.Status.AvailableReplicas, wanted)
	}
	return nil
}

// await asks until there is no error any more, or returns the last one.
func await(ctx context.Context, patience time.Duration, condition func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}

// push fills the registry that every node pulls from.
func (u *upper) push(ctx context.Context) error {
	password, err := os.ReadFile(u.State.RegistryPassword())
	if err != nil {
		return fmt.Errorf("reading the registry's password: %w", err)
	}
	ca, err := os.ReadFile(u.State.RegistryCA())
	if err != nil {
		return fmt.Errorf("reading the registry's CA: %w", err)
	}
	transport, err := httpClient(ca)
	if err != nil {
		return err
	}
	address := net.JoinHostPort("127.0.0.1", fmt.Sprint(layout.PushPort))
	err = await(ctx, u.Timeout, func() error {
		response, err := transport.Get("https://" + address + "/v2/")
		if err != nil {
			return fmt.Errorf("reaching the registry: %w", err)
		}
		return response.Body.Close()
	})
	if err != nil {
		return err
	}
	return u.built.Push(ctx, release.Registry{
		Host:      address,
		Auth:      authn.FromConfig(authn.AuthConfig{Username: base.RegistryUser, Password: strings.TrimSpace(string(password))}),
		Transport: transport.Transport,
	})
}
