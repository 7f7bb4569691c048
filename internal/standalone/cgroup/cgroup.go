// Package cgroup makes and removes Naru's sub-tree in each of the machine's
// cgroup hierarchies, v1 and v2 alike. It never mounts one, and of the cgroups
// above its own it changes one thing only: which controllers a v2 root gives to
// its children, for otherwise none can be had below.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Top is the folder of every hierarchy that holds all of Naru's cgroups.
const Top = "naru"

// Hierarchy is a mounted cgroup file system.
type Hierarchy struct {
	Mount       string
	V2          bool
	Controllers []string
}

// Mounted lists the machine's hierarchies, read from /proc/self/mountinfo's
// sibling /proc/self/mounts.
func Mounted() ([]Hierarchy, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("reading mounts: %w", err)
	}
	return parseMounts(string(data)), nil
}

func parseMounts(mounts string) []Hierarchy {
	var list []Hierarchy
	seen := map[string]bool{}
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 || seen[fields[1]] {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			list = append(list, Hierarchy{Mount: fields[1], V2: true})
		case "cgroup":
			list = append(list, Hierarchy{Mount: fields[1], Controllers: controllers(fields[3])})
		default:
			continue
		}
		seen[fields[1]] = true
	}
	return list
}

// controllers picks the controllers out of a v1 mount's options.
func controllers(options string) []string {
	known := map[string]bool{"cpu": true, "cpuacct": true, "cpuset": true, "memory": true, "devices": true, "freezer": true,
		"blkio": true, "pids": true, "hugetlb": true, "net_cls": true, "net_prio": true, "perf_event": true, "rdma": true, "misc": true}
	var found []string
	for option := range strings.SplitSeq(options, ",") {
		if known[option] || strings.HasPrefix(option, "name=") {
			found = append(found, option)
		}
	}
	return found
}

// Make makes naru/<name> in every hierarchy and returns the folders.
func Make(hierarchies []Hierarchy, name string) ([]string, error) {
	var dirs []string
	for _, h := range hierarchies {
		dir := h.Mount
		for _, part := range []string{Top, name} {
			if h.V2 {
				enableV2(dir)
			}
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
				return nil, fmt.Errorf("making cgroup: %w", err)
			}
			if err := inheritCPUSet(parent, dir); err != nil {
				return nil, err
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// enableV2 gives a v2 cgroup's children every controller, one at a time: one
// that cannot be given must not keep the others back.
func enableV2(dir string) {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, controller := range strings.Fields(string(available)) {
		_ = os.WriteFile(filepath.Join(dir, subtreeControl), []byte("+"+controller), 0o644)
	}
}

// inheritCPUSet fills in a v1 cpuset, which is empty when made and takes no
// process until it is not.
func inheritCPUSet(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if os.IsNotExist(err) || (err == nil && strings.TrimSpace(string(value)) == "") {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		own, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.TrimSpace(string(own)) != "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
			return fmt.Errorf("setting %s: %w", file, err)
		}
	}
	return nil
}

// Join moves this whole process into the cgroups.
func Join(dirs []string) error {
	for _, dir := range dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("joining cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// Kill kills whatever runs below naru/<name> ("" for all of Naru) in any
// hierarchy and removes the cgroups. None there is fine.
func Kill(hierarchies []Hierarchy, name string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		var errs []error
		for _, h := range hierarchies {
			errs = append(errs, killTree(filepath.Join(h.Mount, Top, name)))
		}
		err := errors.Join(errs...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// killTree makes one pass: it kills, then removes what is empty, deepest first.
func killTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		if entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking through cgroups: %w", err)
	}
	for _, dir := range dirs {
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, text := range strings.Fields(string(procs)) {
			var pid int
			if _, err := fmt.Sscan(text, &pid); err == nil && pid > 0 && pid != os.Getpid() {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := os.Remove(dirs[i]); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing cgroup: %w", err)
		}
	}
	return nil
}

// Pids lists the processes below naru/ in any hierarchy.
func Pids(hierarchies []Hierarchy) []int {
	found := map[int]bool{}
	for _, h := range hierarchies {
		_ = filepath.WalkDir(filepath.Join(h.Mount, Top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // a cgroup that goes away meanwhile has no processes
			}
			procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			for _, text := range strings.Fields(string(procs)) {
				var pid int
				if _, err := fmt.Sscan(text, &pid); err == nil && pid > 0 {
					found[pid] = true
				}
			}
			return nil
		})
	}
	pids := make([]int, 0, len(found))
	for pid := range found {
		pids = append(pids, pid)
	}
	return pids
}
