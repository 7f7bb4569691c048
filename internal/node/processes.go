package node

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"naru.dev/naru/internal/node/nodeconfig"
	"naru.dev/naru/internal/node/supervise"
	"naru.dev/naru/internal/node/volumes"
)

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// processes lists what runs on the node, in starting order.
func processes(config nodeconfig.Config, seen facts) []supervise.Process {
	files := credentialsOf(config.Role)
	containerd := supervise.Process{
		Name:    "containerd",
		Command: []string{programs + "containerd", "--config", containerdConfig},
		Ready:   socketAnswers(containerdSocket),
		Grace:   10 * time.Second,
	}
	kubelet := supervise.Process{
		Name:    "kubelet",
		Command: kubeletCommand(config, seen),
		Needs:   [][]string{{files.kubelet, files.kubeletBootstrap}, {files.clientCA}},
		Ready:   urlAnswers("http://127.0.0.1:10248/healthz"),
		Grace:   10 * time.Second,
	}
	proxy := supervise.Process{
		Name:    "kube-proxy",
		Command: []string{programs + "kube-proxy", "--config", kubeProxyConfig, "--v=1"},
		Needs:   [][]string{{files.kubeProxy}},
		Reads:   []string{files.kubeProxy},
	}
	agent := supervise.Process{
		Name:    "agent",
		Command: agentCommand(config),
		Needs:   [][]string{{files.agent}},
		Reads:   []string{files.agent},
	}
	if config.Role == nodeconfig.RoleHost {
		// Beside the kubelet, not before it: kubeadm waits for the kubelet, which waits for the files that kubeadm writes.
		return []supervise.Process{containerd, kubelet, proxy, agent, {Name: "bootstrap", Command: config.Bootstrap, OneShot: true}}
	}
	kubelet.Reads = []string{kubeletFollows}
	api := cluster{server: config.APIServer, files: files, joined: exists(files.kubelet)}
	kubelet.Awaits = notesAuthorities(files.clientCA, api.join(kubeletPKI))
	proxy.Awaits = api.allowed(files.kubeProxy, "/api/v1/services?limit=1")
	agent.Awaits = api.allowed(files.agent, "/api/v1/nodes?limit=1")
	list := []supervise.Process{containerd, kubelet, proxy, agent, konnectivity(config, seen)}
	return append(list, pulls(config, shared(api.answers))...)
}

// pulls are last, and nothing waits for them. They wait for the API: until it answers, whoever starts it has better use for the
// processors.
func pulls(config nodeconfig.Config, answers func(context.Context) error) []supervise.Process {
	if len(config.Images) == 0 {
		return nil
	}
	var list []supervise.Process
	for i, image := range append([]string{config.PauseImage}, config.Images...) {
		list = append(list, supervise.Process{
			Name: fmt.Sprintf("pull-%d", i), OneShot: true, Awaits: answers,
			Command: []string{programs + "ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "pull", "--hosts-dir", certsDir, image},
		})
	}
	return list
}

func kubeletCommand(config nodeconfig.Config, seen facts) []string {
	files := credentialsOf(config.Role)
	command := []string{
		programs + "kubelet",
		"--config=" + kubeletConfig,
		"--bootstrap-kubeconfig=" + files.kubeletBootstrap,
		"--kubeconfig=" + files.kubelet,
		"--hostname-override=" + config.Name,
		"--node-ip=" + seen.ip,
	}
	if len(config.Labels) > 0 {
		command = append(command, "--node-labels="+labelFlag(config.Labels))
	}
	return command
}

func agentCommand(config nodeconfig.Config) []string {
	command := []string{programs + "naru", "agent", "--kubeconfig", credentialsOf(config.Role).agent, "--node-name", config.Name,
		"--backend", config.Backend, "--cluster-cidr", config.PodCIDR, "--service-cidr", config.ServiceCIDR}
	if config.Role == nodeconfig.RoleHost {
		// A host's pods are tenants' machines and control planes: they may not reach what listens on the host
		// itself (API server, etcd, kubelet) unless a policy says so.
		return append(command, "--own-node-egress", "policy")
	}
	// A cluster's users are strangers to each other and to the machine. What runs on hosts is Naru's own, and etcd,
	// which keeps to a quota, waits for its disk with every write: docs/design/0005.
	return append(command, "--volumes", string(volumes.Disks), "--pod-roles-certificate", kubeletCertificate)
}

func socketAnswers(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
		if err != nil {
			return fmt.Errorf("dialling %s: %w", path, err)
		}
		return conn.Close()
	}
}

func urlAnswers(url string) func(context.Context) error {
	client := &http.Client{Timeout: time.Second}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("asking %s: status %d", url, response.StatusCode)
		}
		return nil
	}
}
