package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/internal/standalone/publish"
	"naru.dev/naru/internal/standalone/wire"
)

// publish publishes the hosting API and, as soon as there is one, what its
// Services ask for, until ctx ends.
func (d *Daemon) publish(ctx context.Context) {
	api := net.JoinHostPort("127.0.0.1", fmt.Sprint(layout.HostingPort))
	forward, err := publish.Listen(api, d.dialAPI)
	if err != nil {
		d.report(map[string]string{api: err.Error()})
		d.log.Error("hosting API is not published", "error", err)
		return
	}
	defer forward.Close()
	var endpoints []publish.Endpoint
	for _, host := range layout.Hosts(d.spec.Hosts) {
		endpoints = append(endpoints, publish.Endpoint{Address: apiAddress(host), Ready: true})
	}
	forward.SetEndpoints(endpoints)
	if err := d.publishServices(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("Services are not published", "error", err)
	}
	<-ctx.Done()
}

func (d *Daemon) publishServices(ctx context.Context) error {
	config, err := d.awaitAPI(ctx)
	if err != nil {
		return err
	}
	publisher := &publish.Publisher{Dial: d.dialPod, Report: d.report}
	return publisher.Run(ctx, config)
}

// awaitAPI waits until the hosting API serves everything, its own roles included; watching earlier would be refused and
// slowed down. Until then it follows kubeadm's kubeconfig: the first one that is there can be what an interrupted kubeadm
// has left, with the authority of a cluster that never was.
func (d *Daemon) awaitAPI(ctx context.Context) (*rest.Config, error) {
	for {
		if config, err := d.writeKubeconfig(); err != nil || config != nil && isReady(ctx, config) {
			return config, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func isReady(ctx context.Context, config *rest.Config) bool {
	client, err := kubernetes.NewForConfig(config)
	return err == nil && client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
}

// writeKubeconfig makes the machine's kubeconfig of kubeadm's, and returns nothing as long as that isn't there.
func (d *Daemon) writeKubeconfig() (*rest.Config, error) {
	source := filepath.Join(d.state.Host(first().Name()).Kubernetes(), "admin.conf")
	inside := fmt.Sprintf("https://%s:%d", layout.APIName, layout.APIPort)
	outside := fmt.Sprintf("https://127.0.0.1:%d", layout.HostingPort)
	data, err := os.ReadFile(source)
	content := []byte(strings.ReplaceAll(string(data), inside, outside))
	config, invalid := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil || invalid != nil || !strings.Contains(string(data), inside) {
		return nil, nil //nolint:nilerr,nilnil // kubeadm has not written it, or not all of it
	}
	if old, err := os.ReadFile(d.state.HostingKubeconfig()); err != nil || !bytes.Equal(old, content) {
		if err := layout.WriteFile(d.state.HostingKubeconfig(), content, 0o600); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func (d *Daemon) report(problems map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, problem := range problems {
		if d.problems[key] != problem {
			d.log.Warn("publishing", "of", key, "problem", problem)
		}
	}
	d.problems = problems
}

func apiAddress(host layout.Host) string {
	return net.JoinHostPort(host.IP(), fmt.Sprint(layout.APIPort))
}

// dialAPI dials a host's API server from inside that host.
func (d *Daemon) dialAPI(ctx context.Context, address string) (net.Conn, error) {
	for _, host := range layout.Hosts(d.spec.Hosts) {
		if apiAddress(host) != address {
			continue
		}
		for _, network := range d.live(host) {
			return network.Dial(ctx, address, time.Second)
		}
	}
	return nil, fmt.Errorf("dialling %s: its host is down", address)
}

// dialPod dials a pod from any host that lives: each reaches all pods.
func (d *Daemon) dialPod(ctx context.Context, address string) (net.Conn, error) {
	var errs []error
	for _, network := range d.live(layout.Hosts(d.spec.Hosts)...) {
		conn, err := network.Dial(ctx, address, time.Second)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("dialling %s: %w", address, errors.Join(errs...))
}

// live returns the networks of those hosts that run.
func (d *Daemon) live(hosts ...layout.Host) []*wire.Namespace {
	states := d.supervisor.States()
	d.mu.Lock()
	defer d.mu.Unlock()
	var networks []*wire.Namespace
	for _, host := range hosts {
		if network := d.networks[host.Name()]; network != nil && states[host.Name()].PID != 0 {
			networks = append(networks, network)
		}
	}
	return networks
}
