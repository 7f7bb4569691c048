package preflight

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/thread"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Observe looks at this machine. What it tries, it tries in namespaces that
// end with the trial.
func Observe(stateDir string, ports []int) Machine {
	m := Machine{Root: os.Geteuid() == 0, StateDir: stateDir, Taken: map[int]string{}}
	if !m.Root {
		return m
	}
	m.Missing = tryFeatures()
	existing := nearestExisting(stateDir)
	var fs unix.Statfs_t
	if unix.Statfs(existing, &fs) == nil {
		m.FreeBytes = fs.Bavail * uint64(fs.Bsize)
	}
	m.OverlayFit = tryOverlay(existing) == nil
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	for _, port := range ports {
		if !free(port) {
			m.Taken[port] = holder(port)
		}
	}
	m.Controllers = controllers()
	m.Leftovers = mountsBelow(stateDir)
	return m
}

func nearestExisting(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == "/" {
			return path
		}
		path = filepath.Dir(path)
	}
}

// isolated runs f on a throw-away thread with mount and network namespaces of its own.
func isolated(f func() error) error {
	return thread.Throwaway(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making namespaces: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("keeping mounts private: %w", err)
		}
		return f()
	})
}

// tryFeatures makes one of each kind of thing that the hosts will make.
func tryFeatures() map[string]string {
	missing := map[string]string{}
	links := map[string]netlink.Link{
		"veth":   &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "try-veth"}, PeerName: "try-peer"},
		"bridge": &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "try-bridge"}},
		"vxlan":  &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "try-vxlan"}, VxlanId: 1, Port: 8472},
	}
	err := isolated(func() error {
		for name, link := range links {
			if err := netlink.LinkAdd(link); err != nil {
				missing[name] = "making one failed (" + err.Error() + ")"
			}
		}
		if err := tryNftables(); err != nil {
			missing["nftables"] = "asking for its generation failed (" + err.Error() + ")"
		}
		return nil
	})
	if err != nil {
		missing["namespaces"] = err.Error()
	}
	return missing
}

// tryNftables asks nf_tables for its rule set's generation, which loads it
// where it is a module. No nft program is needed on the machine.
func tryNftables() error {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC})
	_, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	return err
}

// tryOverlay mounts an overlay whose upper layer is on the file system of dir.
func tryOverlay(dir string) error {
	scratch, err := os.MkdirTemp(dir, ".naru-preflight-")
	if err != nil {
		return fmt.Errorf("making scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	for _, name := range []string{"lower", "upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(scratch, name), 0o755); err != nil {
			return fmt.Errorf("making scratch folder: %w", err)
		}
	}
	return isolated(func() error {
		options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", scratch)
		root := filepath.Join(scratch, "root")
		if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
			return fmt.Errorf("mounting an overlay: %w", err)
		}
		return unix.Unmount(root, unix.MNT_DETACH)
	})
}

func free(port int) bool {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// holder names the process that listens on a port, or returns "".
func holder(port int) string {
	inode := listeningInode(port)
	if inode == "" {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}

// listeningInode finds the socket that listens on a port in /proc/net/tcp and tcp6.
func listeningInode(port int) string {
	const listen = "0A"
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(file)
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == listen && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				return fields[9]
			}
		}
	}
	return ""
}

func controllers() []string {
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return nil
	}
	var all []string
	for _, h := range hierarchies {
		all = append(all, h.Controllers...)
		if h.V2 {
			data, _ := os.ReadFile(filepath.Join(h.Mount, "cgroup.controllers"))
			all = append(all, strings.Fields(string(data))...)
		}
	}
	return all
}

func mountsBelow(dir string) []string {
	data, _ := os.ReadFile("/proc/self/mounts")
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			found = append(found, fields[1])
		}
	}
	return found
}
