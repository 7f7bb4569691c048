package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"naru.dev/naru/internal/kube/exec"
	"naru.dev/naru/internal/probe"
)

// Cluster is a Kubernetes cluster, as its user reaches it.
type Cluster struct {
	// Name is for people.
	Name string
	Kube kubernetes.Interface
	// Exec runs a command in a container.
	Exec Exec
	// Raw asks the API for a path.
	Raw func(ctx context.Context, path string) ([]byte, error)
	// As connects with another token.
	As func(token string) (kubernetes.Interface, error)
	// Forward asks a pod's port over HTTP, by port-forwarding.
	Forward func(ctx context.Context, namespace, pod string, port int) (string, error)
	// Probe begins to read and write without pause.
	Probe func(ctx context.Context, namespace string) (Prober, error)
	// App is the image of an application that serves as examples/hello does, Shell one with busybox's programs.
	App, Shell string
}

// Prober is a probe that runs. internal/probe's is the real one.
type Prober interface{ Stop() probe.Report }

// Command is one command in a container. A failed one returns its output together with the error.
type Command = exec.Command

// Exec runs a command.
type Exec func(ctx context.Context, command Command) (output string, err error)

// Connect returns a cluster that is reached by config. Nothing is sent yet.
func Connect(name string, config *rest.Config, app, shell string) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 0 // streams last longer than a request; each call has its context
	config.QPS, config.Burst = -1, -1
	config.WarningHandler = rest.NoWarnings{}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", name, err)
	}
	return &Cluster{
		Name: name, Kube: kube, App: app, Shell: shell,
		Exec: func(ctx context.Context, c Command) (string, error) { return exec.Do(ctx, kube, config, c) },
		Raw: func(ctx context.Context, path string) ([]byte, error) {
			return kube.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
		},
		As: func(token string) (kubernetes.Interface, error) {
			other := rest.AnonymousClientConfig(config)
			other.BearerToken = token
			return kubernetes.NewForConfig(other)
		},
		Forward: forwarder(kube, config),
		Probe: func(ctx context.Context, namespace string) (Prober, error) {
			return probe.Start(ctx, config, probe.Options{Namespace: namespace, Deadline: 10 * time.Second})
		},
	}, nil
}

// forwarder asks a pod's port as `kubectl port-forward` and a local client do.
func forwarder(kube kubernetes.Interface, config *rest.Config) func(context.Context, string, string, int) (string, error) {
	return func(ctx context.Context, namespace, pod string, port int) (string, error) {
		transport, upgrader, err := spdy.RoundTripperFor(config)
		if err != nil {
			return "", fmt.Errorf("preparing to forward a port: %w", err)
		}
		url := kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
		dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
		stop, ready := make(chan struct{}), make(chan struct{})
		defer close(stop)
		forward, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stop, ready, io.Discard, io.Discard)
		if err != nil {
			return "", fmt.Errorf("forwarding port %d of %s: %w", port, pod, err)
		}
		failed := make(chan error, 1)
		go func() { failed <- forward.ForwardPorts() }()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case err := <-failed:
			return "", fmt.Errorf("forwarding port %d of %s: %w", port, pod, err)
		case <-ready:
		}
		ports, err := forward.GetPorts()
		if err != nil || len(ports) == 0 {
			return "", errors.Join(errors.New("no port was forwarded"), err)
		}
		return get(ctx, fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	}
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, response.Status)
	}
	return string(body), err
}
