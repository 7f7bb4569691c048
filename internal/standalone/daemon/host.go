package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"naru.dev/naru/internal/node/nodeconfig"
	"naru.dev/naru/internal/node/supervise"
	"naru.dev/naru/internal/standalone/bootstrap"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/hostinit"
	"naru.dev/naru/internal/standalone/layout"
)

// trustDir is, inside a host, the machine's folder of CA certificates to trust.
const trustDir = "/etc/naru-trust"

// hostProcess describes a host to the supervisor. The host dies with the
// daemon, whatever the daemon dies of.
func (d *Daemon) hostProcess(host layout.Host) supervise.Process {
	return supervise.Process{
		Name:    host.Name(),
		Command: []string{d.executable, "daemon", "host-init", "--spec", d.state.Host(host.Name()).Init()},
		Attr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Pdeathsig:  syscall.SIGKILL,
			Setsid:     true,
		},
		Prepare: func() ([]*os.File, error) { return d.prepareHost(host) },
		Needs:   d.hostNeeds(host),
		Grace:   40 * time.Second,
	}
}

// hostNeeds lets a host that is to join wait for the one before it: etcd takes
// one new member at a time.
func (d *Daemon) hostNeeds(host layout.Host) [][]string {
	if !joins(host) {
		return nil
	}
	before := layout.Host{Number: host.Number - 1}
	return [][]string{{d.state.Host(before.Name()).Initialised()}}
}

// first is the host that the hosting cluster begins on; the others join it.
func first() layout.Host { return layout.Host{Number: 1} }

func joins(host layout.Host) bool { return host.Number != first().Number }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// prepareHost gets a host's surroundings ready for a start, its first or the
// one after its death: what an earlier life left is taken away first.
func (d *Daemon) prepareHost(host layout.Host) ([]*os.File, error) {
	dirs := d.state.Host(host.Name())
	if err := cgroup.Kill(d.hierarchies, host.Name()); err != nil {
		return nil, err
	}
	cgroups, err := cgroup.Make(d.hierarchies, host.Name())
	if err != nil {
		return nil, err
	}
	if err := d.prepareFolders(dirs); err != nil {
		return nil, err
	}
	if joins(host) && !exists(dirs.Initialised()) {
		if err := d.shareAuthorities(dirs); err != nil {
			return nil, err
		}
	}
	for path, file := range d.hostFiles(host) {
		target := filepath.Join(dirs.Upper(), path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return nil, fmt.Errorf("making folder of %s: %w", path, err)
		}
		content, err := file()
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(target, content, 0o600|modeOf(path)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", path, err)
		}
	}
	if err := d.writeInit(host, cgroups); err != nil {
		return nil, err
	}
	return d.attach(host)
}

// modeOf keeps what may hold credentials to root.
func modeOf(path string) os.FileMode {
	if strings.HasSuffix(path, ".kubeconfig") {
		return 0
	}
	return 0o044
}

// prepareFolders empties the root's overlay, which lasts for one life of a
// host, and what a kubeadm that never finished has left; the rest is the
// host's data.
func (d *Daemon) prepareFolders(dirs layout.HostDir) error {
	stale := []string{dirs.Upper(), dirs.Work()}
	if !exists(dirs.Initialised()) {
		stale = append(stale, dirs.HalfInitialised()...)
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing what an earlier start has left: %w", err)
		}
	}
	for source := range dirs.Data() {
		if err := os.MkdirAll(source, 0o755); err != nil {
			return fmt.Errorf("making data folder: %w", err)
		}
	}
	encryption, err := os.ReadFile(d.state.Encryption())
	if err != nil {
		return fmt.Errorf("reading encryption configuration: %w", err)
	}
	return layout.WriteFile(filepath.Join(dirs.Kubernetes(), filepath.Base(bootstrap.EncryptionPath)), encryption, 0o600)
}

// hostFiles are the files that a host's root has beyond its image.
func (d *Daemon) hostFiles(host layout.Host) map[string]func() ([]byte, error) {
	text := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }
	encoded := func(v any) func() ([]byte, error) { return func() ([]byte, error) { return json.Marshal(v) } }
	join := joins(host)
	files := map[string]func() ([]byte, error){
		"etc/hostname":    text(host.Name() + "\n"),
		"etc/hosts":       text(etcHosts(host, d.apiHost(host))),
		"etc/resolv.conf": text("nameserver " + layout.WireAddress + "\n"),
		"etc/machine-id":  func() ([]byte, error) { return d.machineID(host) },
		nodeconfig.Path:   encoded(d.nodeConfig(host)),
		bootstrap.ConfigPath: encoded(bootstrap.Config{
			Archives: d.spec.Archives, Join: join, Hosts: etcHosts(host, host)}),
		bootstrap.KubeadmConfig: func() ([]byte, error) {
			content, err := bootstrap.RenderKubeadm(d.spec, host, join)
			return []byte(content), err
		},
	}
	if join {
		files[bootstrap.JoinKubeconfig] = d.joinKubeconfig
	}
	for name, content := range bootstrap.Patches() {
		files[filepath.Join(bootstrap.PatchesDir, name)] = text(content)
	}
	return files
}

// etcHosts gives the hosting API's name to the API server of a host.
func etcHosts(host, api layout.Host) string {
	return fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s\n%s %s\n", host.IP(), host.Name(), api.IP(), layout.APIName)
}

// apiHost is whose API server a host begins with: its own, with which it
// shares its fate anyway, unless it still has to join and has none.
func (d *Daemon) apiHost(host layout.Host) layout.Host {
	if joins(host) && !exists(d.state.Host(host.Name()).Initialised()) {
		return first()
	}
	return host
}

func (d *Daemon) nodeConfig(host layout.Host) nodeconfig.Config {
	return nodeconfig.Config{
		Name:          host.Name(),
		Role:          nodeconfig.RoleHost,
		Labels:        host.Labels(),
		IP:            host.IP(),
		PodCIDR:       layout.PodCIDR,
		ServiceCIDR:   layout.ServiceCIDR,
		ClusterDNS:    layout.DNSAddress,
		ClusterDomain: layout.ClusterDomain,
		APIServer:     fmt.Sprintf("https://%s:%d", layout.APIName, layout.APIPort),
		Registry: &nodeconfig.Registry{Host: layout.RegistryHost, Endpoint: layout.RegistryAddress,
			CAFile: filepath.Join(trustDir, filepath.Base(d.state.RegistryCA()))},
		PauseImage: d.spec.Images["pause"],
		Bootstrap:  []string{"/usr/local/bin/naru", "daemon", "bootstrap"},
	}
}

// machineID returns the host's identity, made once.
func (d *Daemon) machineID(host layout.Host) ([]byte, error) {
	path := d.state.Host(host.Name()).MachineID()
	if id, err := os.ReadFile(path); err == nil {
		return id, nil
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("making machine id: %w", err)
	}
	id := []byte(hex.EncodeToString(random) + "\n")
	return id, layout.WriteFile(path, id, 0o644)
}

func (d *Daemon) writeInit(host layout.Host, cgroups []string) error {
	dirs := d.state.Host(host.Name())
	binds := dirs.Data()
	binds[d.state.Images()] = bootstrap.ImagesDir
	binds[d.state.Trust()] = trustDir
	binds[d.executable] = "/usr/local/bin/naru"
	data, err := json.Marshal(hostinit.Spec{
		Hostname: host.Name(),
		Lower:    d.spec.Rootfs,
		Upper:    dirs.Upper(),
		Work:     dirs.Work(),
		Root:     dirs.Root(),
		Binds:    binds,
		ReadOnly: []string{bootstrap.ImagesDir, trustDir, "/usr/local/bin/naru"},
		Cgroups:  cgroups,
		Command:  []string{"/usr/local/bin/naru", "node"},
	})
	if err != nil {
		return fmt.Errorf("encoding host: %w", err)
	}
	return layout.WriteFile(dirs.Init(), data, 0o644)
}

// attach plugs a fresh network namespace into the wire and forgets the old one.
func (d *Daemon) attach(host layout.Host) ([]*os.File, error) {
	d.mu.Lock()
	old := d.networks[host.Name()]
	delete(d.networks, host.Name())
	d.mu.Unlock()
	if old != nil {
		if err := old.Close(); err != nil {
			return nil, fmt.Errorf("letting go of old network: %w", err)
		}
	}
	network, err := d.wire.Attach(host.Name(), host.IP()+"/24", layout.WireAddress)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.networks[host.Name()] = network
	d.mu.Unlock()
	file, err := network.File()
	if err != nil {
		return nil, err
	}
	return []*os.File{file}, nil
}
