package node

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"naru.dev/naru/internal/node/nodeconfig"
	"naru.dev/naru/internal/node/supervise"
)

const (
	konnectivityAgent = "konnectivity-agent"
	// konnectivityPort is where the front takes agents.
	konnectivityPort = "8132"
	// konnectivityHealth is the agent's port on 127.0.0.1 that says whether it is connected.
	konnectivityHealth = "8134"
	// nobody is the user of what needs no rights, as in Naru's images.
	nobody = 65532
)

// jail is a root file system for a process that opens connections and needs nothing of the node: its program, its credentials
// and the cluster's DNS, where the node itself asks another.
type jail struct {
	root    string
	program string
	// credentials are files of the node, by their names in the jail.
	credentials map[string]string
	resolv      string
}

// konnectivity lets the cluster's API servers reach this node and its pods. It dials the front from the node's own network, and so
// needs neither the pod network nor DNS; names in the cluster it knows for identity providers that run there. It comes when the
// kubelet has joined: before, there is nothing here to be reached.
func konnectivity(config nodeconfig.Config, seen facts) supervise.Process {
	files := credentialsOf(config.Role)
	inside := jail{
		root: runDir + "/konnectivity", program: programs + konnectivityAgent,
		credentials: map[string]string{"ca.crt": files.clientCA, "tls.crt": files.konnectivity, "tls.key": files.konnectivityKey},
		resolv:      resolvConf(config),
	}
	return supervise.Process{
		Name: konnectivityAgent,
		Command: []string{
			"/" + konnectivityAgent,
			"--ca-cert=/ca.crt", "--agent-cert=/tls.crt", "--agent-key=/tls.key",
			"--proxy-server-host=" + config.APIServerHost(), "--proxy-server-port=" + konnectivityPort,
			"--agent-id=" + config.Name, "--agent-identifiers=ipv4=" + seen.ip + "&host=" + config.Name,
			// Until it knows every server, and again when one was replaced.
			"--sync-interval=500ms", "--sync-interval-cap=3s", "--sync-forever=true", "--probe-interval=1s",
			// A server cuts agents that ping it more often than every 5 minutes; it pings them itself, and the front cuts
			// connections to a server that is gone.
			"--keepalive-time=10m",
			"--health-server-host=127.0.0.1", "--health-server-port=" + konnectivityHealth,
			"--admin-bind-address=127.0.0.1", "--admin-server-port=8133", "--v=0",
		},
		Env:     []string{"GOMEMLIMIT=100MiB"},
		Needs:   [][]string{{files.kubelet}, {files.clientCA}, {files.konnectivity}, {files.konnectivityKey}},
		Reads:   []string{files.clientCA, files.konnectivity},
		Ready:   urlAnswers("http://127.0.0.1:" + konnectivityHealth + "/readyz"),
		Attr:    &syscall.SysProcAttr{Setpgid: true, Chroot: inside.root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}},
		Prepare: inside.fill,
	}
}

// resolvConf is what the kubelet gives pods that ask the cluster's DNS.
func resolvConf(config nodeconfig.Config) string {
	return fmt.Sprintf("nameserver %s\nsearch svc.%[2]s %[2]s\noptions ndots:5\n", config.ClusterDNS, config.ClusterDomain)
}

// fill makes the jail, or gives it the credentials that there are now.
func (j jail) fill() ([]*os.File, error) {
	if err := writeTree(j.root, map[string]string{"etc/resolv.conf": j.resolv}); err != nil {
		return nil, err
	}
	for name, source := range j.credentials {
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, fmt.Errorf("reading credentials: %w", err)
		}
		if err := writeOwned(filepath.Join(j.root, name), content); err != nil {
			return nil, err
		}
	}
	return nil, j.bindProgram()
}

// writeOwned writes a file that only nobody reads, while nobody's process does not run.
func writeOwned(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o400); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		return fmt.Errorf("giving %s to its user: %w", path, err)
	}
	return nil
}

// bindProgram shows the program in the jail, once.
func (j jail) bindProgram() error {
	target := filepath.Join(j.root, filepath.Base(j.program))
	if info, err := os.Stat(target); err == nil && info.Size() > 0 {
		return nil
	}
	if err := os.WriteFile(target, nil, 0o555); err != nil {
		return fmt.Errorf("making place for %s: %w", j.program, err)
	}
	return bind(j.program, target)
}
