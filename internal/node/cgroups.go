package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where every program looks for cgroups.
const cgroupRoot = "/sys/fs/cgroup"

// hierarchy is one line of /proc/self/cgroup.
type hierarchy struct {
	// controllers of a v1 hierarchy; nil for the v2 one. A named hierarchy has "name=systemd".
	controllers []string
	// path of the process's cgroup, as its cgroup namespace sees it.
	path string
}

// parseHierarchies reads /proc/<pid>/cgroup.
func parseHierarchies(content string) []hierarchy {
	var list []hierarchy
	for line := range strings.Lines(content) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		h := hierarchy{path: parts[2]}
		if parts[1] != "" {
			h.controllers = strings.Split(parts[1], ",")
		}
		list = append(list, h)
	}
	return list
}

// cgroupMount is one mount below /sys/fs/cgroup.
type cgroupMount struct {
	fstype string
	dir    string
	data   string
	// links are further names for dir, one a controller that shares it.
	links []string
}

// cgroupMounts says what a node mounts to see its own sub-tree of each
// hierarchy: the v2 one on /sys/fs/cgroup itself when it is the only one,
// else each v1 hierarchy in a folder and the v2 one on unified.
func cgroupMounts(hierarchies []hierarchy) []cgroupMount {
	if onlyV2(hierarchies) {
		return []cgroupMount{{fstype: "cgroup2", dir: ""}}
	}
	var mounts []cgroupMount
	for _, h := range hierarchies {
		if h.controllers == nil {
			mounts = append(mounts, cgroupMount{fstype: "cgroup2", dir: "unified"})
			continue
		}
		joined := strings.Join(h.controllers, ",")
		if name, named := strings.CutPrefix(joined, "name="); named {
			mounts = append(mounts, cgroupMount{fstype: "cgroup", dir: name, data: "none," + joined})
			continue
		}
		m := cgroupMount{fstype: "cgroup", dir: joined, data: joined}
		if len(h.controllers) > 1 {
			m.links = h.controllers
		}
		mounts = append(mounts, m)
	}
	return mounts
}

func onlyV2(hierarchies []hierarchy) bool {
	return !slices.ContainsFunc(hierarchies, func(h hierarchy) bool { return h.controllers != nil })
}

// mountCgroups mounts the node's own sub-trees. The cgroup namespace must be
// the node's already.
func mountCgroups() error {
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("reading own cgroups: %w", err)
	}
	hierarchies := parseHierarchies(string(content))
	if err := unmountAll(cgroupRoot); err != nil {
		return err
	}
	if !onlyV2(hierarchies) {
		if err := mount("tmpfs", cgroupRoot, unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "mode=755"); err != nil {
			return err
		}
	}
	const safe = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	for _, m := range cgroupMounts(hierarchies) {
		if err := mount(m.fstype, filepath.Join(cgroupRoot, m.dir), safe, m.data); err != nil {
			return err
		}
		for _, link := range m.links {
			if err := os.Symlink(m.dir, filepath.Join(cgroupRoot, link)); err != nil {
				return fmt.Errorf("linking cgroup controller %s: %w", link, err)
			}
		}
	}
	if onlyV2(hierarchies) {
		return delegateV2(cgroupRoot)
	}
	return nil
}

// unmountAll takes away whatever a container runtime has mounted at path, lazily
// and stacked mounts included.
func unmountAll(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if err == unix.EINVAL || err == unix.ENOENT {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unmounting %s: %w", path, err)
		}
	}
}

// delegateV2 makes the root of a v2 sub-tree fit for children: its own
// processes move to a leaf (a cgroup with both processes and controllers
// enabled for children is not allowed), then every controller is enabled.
func delegateV2(root string) error {
	leaf := filepath.Join(root, "init")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return fmt.Errorf("making cgroup: %w", err)
	}
	procs, err := os.ReadFile(filepath.Join(root, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("reading cgroup's processes: %w", err)
	}
	for _, pid := range strings.Fields(string(procs)) {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("moving process %s to %s: %w", pid, leaf, err)
		}
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("reading cgroup's controllers: %w", err)
	}
	for _, controller := range strings.Fields(string(controllers)) {
		// One at a time: a controller that cannot be delegated must not keep the others back.
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
	return nil
}
