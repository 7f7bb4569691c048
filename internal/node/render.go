package node

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"naru.dev/naru/internal/node/nodeconfig"
)

// render returns the content of every configuration file of the node, by path.
// It is pure: the golden files under testdata show all of it.
func render(config nodeconfig.Config, seen facts) (map[string]string, error) {
	files := map[string]string{containerdConfig: containerdTOML(config, seen)}
	if config.Registry != nil {
		files[certsDir+"/"+config.Registry.Host+"/hosts.toml"] = hostsTOML(*config.Registry)
	}
	for path, content := range map[string]map[string]any{
		kubeletConfig:   kubeletYAML(config, seen),
		kubeProxyConfig: kubeProxyYAML(config, seen),
	} {
		data, err := yaml.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", path, err)
		}
		files[path] = string(data)
	}
	return files, nil
}

// containerdTOML is containerd's configuration (version 3, containerd 2.x).
// Keys: https://github.com/containerd/containerd/blob/v2.2.1/docs/cri/config.md
func containerdTOML(config nodeconfig.Config, seen facts) string {
	return fmt.Sprintf(`version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[grpc]
  address = %q

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  image_pull_progress_timeout = "5m0s"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = %q
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = %q

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = %t
  tolerate_missing_hugetlb_controller = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = [%q]
    conf_dir = %q
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = %q
        SystemdCgroup = false
`, containerdSocket, config.PauseImage, certsDir, !seen.lowersOOMScore, cniBin, cniConf, programs+"runc")
}

// hostsTOML sends every reference to the registry's host to its endpoint.
func hostsTOML(registry nodeconfig.Registry) string {
	url := "https://" + registry.Endpoint
	return fmt.Sprintf(`server = %q

[host.%q]
  capabilities = ["pull", "resolve"]
  ca = %q
`, url, url, registry.CAFile)
}

func kubeletYAML(config nodeconfig.Config, seen facts) map[string]any {
	files := credentialsOf(config.Role)
	kubelet := map[string]any{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"authentication":           kubeletAuthentication(files.clientCA),
		"authorization":            map[string]any{"mode": "Webhook"},
		"cgroupDriver":             "cgroupfs",
		"clusterDNS":               []string{config.ClusterDNS},
		"clusterDomain":            config.ClusterDomain,
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"failCgroupV1":             false,
		"failSwapOn":               false,
		"healthzBindAddress":       "127.0.0.1",
		"healthzPort":              10248,
		"maxPods":                  maxPods(config),
		// A dead node is noticed after the controller manager's grace period,
		// which has to be several of these.
		"nodeStatusUpdateFrequency": "4s",
		// A status in which nothing has changed is not written as often: that is what the lease is for.
		"nodeStatusReportFrequency": "5m",
		"nodeLeaseDurationSeconds":  20,
		"resolvConf":                "/etc/resolv.conf",
		"rotateCertificates":        true,
		"seccompDefault":            true,
		"serializeImagePulls":       false,
		// Secrets mounted into pods are seen at once, not after a cache's life.
		"configMapAndSecretChangeDetectionStrategy": "Watch",
		// Space that a disk shared with the machine must keep, in absolute
		// terms: a tenth of a large disk is not an emergency.
		"evictionHard": map[string]string{
			"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi", "nodefs.inodesFree": "2%",
		},
		"crashLoopBackOff": map[string]any{"maxContainerRestartPeriod": "20s"},
		"featureGates":     map[string]bool{"KubeletCrashLoopBackOffMax": true},
		"kubeAPIQPS":       100,
		"kubeAPIBurst":     200,
	}
	if !seen.lowersOOMScore {
		kubelet["oomScoreAdj"] = 0
	}
	if config.ProviderID != "" {
		kubelet["providerID"] = config.ProviderID
	}
	if len(config.Taints) > 0 {
		kubelet["registerWithTaints"] = config.Taints
	}
	if config.Role == nodeconfig.RoleHost {
		kubelet["staticPodPath"] = "/etc/kubernetes/manifests"
		// A host's images were imported, nothing could pull them again.
		kubelet["imageGCHighThresholdPercent"] = 100
	} else {
		kubelet["serverTLSBootstrap"] = true
	}
	return kubelet
}

func kubeletAuthentication(clientCA string) map[string]any {
	return map[string]any{
		"anonymous": map[string]any{"enabled": false},
		"webhook":   map[string]any{"enabled": true},
		"x509":      map[string]any{"clientCAFile": clientCA},
	}
}

// maxPods is what a node promises. A host holds whole control planes: as many
// as its share of the pod range has addresses for.
func maxPods(config nodeconfig.Config) int32 {
	switch {
	case config.Capacity != nil && config.Capacity.Pods != 0:
		return config.Capacity.Pods
	case config.Role == nodeconfig.RoleHost:
		return 250
	default:
		return 110
	}
}

func kubeProxyYAML(config nodeconfig.Config, seen facts) map[string]any {
	proxy := map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"bindAddress":        seen.ip,
		"clientConnection":   map[string]any{"kubeconfig": credentialsOf(config.Role).kubeProxy},
		"clusterCIDR":        config.PodCIDR,
		"hostnameOverride":   config.Name,
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		// The table's size is the machine's, not this network namespace's.
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
		"nftables": map[string]any{"minSyncPeriod": "100ms", "syncPeriod": "30s"},
	}
	if !seen.lowersOOMScore {
		proxy["oomScoreAdj"] = 0
	}
	return proxy
}

// labelFlag renders labels as --node-labels wants them, in a fixed order.
func labelFlag(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, key := range sortedKeys(labels) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ",")
}
