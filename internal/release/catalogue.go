package release

import (
	"slices"
	"strings"
)

// Component is a third-party Go module that Naru builds programs from. A component is
// data: how it is built is the same for all.
type Component struct {
	// Name is how image specs call it.
	Name string
	// Dir is its module's folder below components/.
	Dir string
	// Module is the module whose version, in Dir's go.mod, is the component's version.
	Module string
	// Programs are what is built of it.
	Programs []Program
	// Tags are Go build tags.
	Tags []string
	// Cgo says that it needs a C compiler. It is linked statically all the same: what
	// libraries the machine has that builds must not matter to a node.
	Cgo bool
	// Stamp maps string variables of the programs to what the linker sets them to, where
	// {version} (with its v), {number} (without), {major} and {minor} stand for the
	// component's version.
	Stamp map[string]string
}

// Program is one executable.
type Program struct {
	// Name is the file's.
	Name string
	// Package is its main package: an import path, or ./folder of the component.
	Package string
}

// DefaultMinor is the Kubernetes minor version of a cluster that names none.
const DefaultMinor = "1.37"

// kubernetesDir precedes the minor version in the name of a Kubernetes component's folder.
const kubernetesDir = "kubernetes-"

// Catalogue returns every component of a Kubernetes minor version, those first that take
// longest to build.
func Catalogue(minor string) []Component {
	return append([]Component{kubernetes(minor)}, shared()...)
}

func kubernetes(minor string) Component {
	return Component{
		Name:   "kubernetes",
		Dir:    kubernetesDir + minor,
		Module: "k8s.io/kubernetes",
		Programs: []Program{
			{Name: "kubernetes", Package: "./kubernetes"},
			{Name: "kubeadm", Package: "./kubeadm"},
			{Name: "kubectl", Package: "./kubectl"},
		},
		Stamp: map[string]string{
			"k8s.io/component-base/version.gitVersion": "{version}",
			"k8s.io/component-base/version.gitMajor":   "{major}",
			"k8s.io/component-base/version.gitMinor":   "{minor}",
		},
	}
}

// shared are the components that are the same for every Kubernetes version.
func shared() []Component {
	const plugins = "github.com/containernetworking/plugins"
	const containerd = "github.com/containerd/containerd/v2"
	const konnectivity = "sigs.k8s.io/apiserver-network-proxy"
	return []Component{{
		Name: "metrics-server", Dir: "metrics-server", Module: "sigs.k8s.io/metrics-server",
		Programs: []Program{{Name: "metrics-server", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server"}},
		Stamp:    map[string]string{"k8s.io/client-go/pkg/version.gitVersion": "{version}"},
	}, {
		Name: "coredns", Dir: "coredns", Module: "github.com/coredns/coredns",
		Programs: []Program{{Name: "coredns", Package: "./coredns"}},
	}, {
		Name: "containerd", Dir: "containerd", Module: containerd,
		Programs: []Program{
			{Name: "containerd", Package: containerd + "/cmd/containerd"},
			{Name: "containerd-shim-runc-v2", Package: containerd + "/cmd/containerd-shim-runc-v2"},
			{Name: "ctr", Package: containerd + "/cmd/ctr"},
		},
		// Snapshotters that need libraries or kernel modules that no Naru node has.
		Tags:  []string{"no_btrfs", "no_devmapper", "no_zfs"},
		Stamp: map[string]string{containerd + "/version.Version": "{version}"},
	}, {
		Name: "konnectivity", Dir: "konnectivity", Module: konnectivity,
		Programs: []Program{
			{Name: "konnectivity-server", Package: konnectivity + "/cmd/server"},
			{Name: "konnectivity-agent", Package: konnectivity + "/cmd/agent"},
		},
	}, {
		Name: "registry", Dir: "registry", Module: "github.com/distribution/distribution/v3",
		Programs: []Program{{Name: "registry", Package: "./registry"}},
		Stamp:    map[string]string{"github.com/distribution/distribution/v3/version.version": "{version}"},
	}, {
		Name: "etcd", Dir: "etcd", Module: "go.etcd.io/etcd/server/v3",
		Programs: []Program{
			{Name: "etcd", Package: "go.etcd.io/etcd/server/v3"},
			{Name: "etcdctl", Package: "go.etcd.io/etcd/etcdctl/v3"},
			{Name: "etcdutl", Package: "go.etcd.io/etcd/etcdutl/v3"},
		},
	}, {
		Name: "runc", Dir: "runc", Module: "github.com/opencontainers/runc",
		Programs: []Program{{Name: "runc", Package: "github.com/opencontainers/runc"}},
		// Without the tag every pod fails: "seccomp not supported".
		Tags: []string{"seccomp", "netgo", "osusergo"}, Cgo: true,
		Stamp: map[string]string{"main.version": "{number}"},
	}, {
		Name: "cni-plugins", Dir: "cni-plugins", Module: plugins,
		Programs: []Program{
			{Name: "bridge", Package: plugins + "/plugins/main/bridge"},
			{Name: "loopback", Package: plugins + "/plugins/main/loopback"},
			{Name: "ptp", Package: plugins + "/plugins/main/ptp"},
			{Name: "host-local", Package: plugins + "/plugins/ipam/host-local"},
			{Name: "portmap", Package: plugins + "/plugins/meta/portmap"},
			{Name: "bandwidth", Package: plugins + "/plugins/meta/bandwidth"},
		},
		Stamp: map[string]string{plugins + "/pkg/utils/buildversion.BuildVersion": "{version}"},
	}}
}

// goFlags are the arguments of `go build` that say what comes out, in a fixed order.
func (c Component) goFlags(version string) []string {
	flags := []string{"-mod=readonly", "-trimpath", "-buildvcs=false"}
	if len(c.Tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(c.Tags, ","))
	}
	return append(flags, "-ldflags="+c.linkerFlags(version))
}

func (c Component) linkerFlags(version string) string {
	number := strings.TrimPrefix(version, "v")
	major, rest, _ := strings.Cut(number, ".")
	minor, _, _ := strings.Cut(rest, ".")
	values := strings.NewReplacer("{version}", version, "{number}", number, "{major}", major, "{minor}", minor)
	stamps := make([]string, 0, len(c.Stamp))
	for variable, value := range c.Stamp {
		stamps = append(stamps, " -X "+variable+"="+values.Replace(value))
	}
	slices.Sort(stamps)
	flags := "-s -w"
	if c.Cgo {
		flags += " -extldflags=-static"
	}
	return flags + strings.Join(stamps, "")
}
