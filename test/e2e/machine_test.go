//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/layout"
)

// footprint is what the platform has on the machine outside its own state folder.
type footprint struct {
	processes []int
	mounts    []string // in the machine's own mount namespace
	cgroups   []string
	ports     []int
	inotify   string
	loops     []string // files that are loop devices, which are the whole machine's
}

const inotifySysctl = "/proc/sys/fs/inotify/max_user_instances"

func takeFootprint(t *testing.T, ports ...int) footprint {
	t.Helper()
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	f := footprint{processes: cgroup.Pids(hierarchies)}
	for _, h := range hierarchies {
		if dir := filepath.Join(h.Mount, cgroup.Top); exists(dir) {
			f.cgroups = append(f.cgroups, dir)
		}
	}
	f.mounts = mountsOf(t, stateDir, layout.DefaultState)
	for _, port := range append(ports, layout.HostingPort, layout.ServerPort, layout.PushPort) {
		if listens(port) {
			f.ports = append(f.ports, port)
		}
	}
	value, err := os.ReadFile(inotifySysctl)
	if err != nil {
		t.Fatal(err)
	}
	f.inotify = strings.TrimSpace(string(value))
	f.loops = loopDevices(t)
	return f
}

// requireNone ends the test when the platform has left anything, compared with before it was started.
func (f footprint) requireNone(t *testing.T, before footprint) {
	t.Helper()
	if len(f.processes)+len(f.cgroups)+len(f.mounts)+len(f.ports) > 0 {
		t.Errorf("left on the machine: processes %v, cgroups %v, mounts %v, ports %v", f.processes, f.cgroups, f.mounts, f.ports)
	}
	if f.inotify != before.inotify {
		t.Errorf("%s is %s, want %s as before", inotifySysctl, f.inotify, before.inotify)
	}
	if !slices.Equal(f.loops, before.loops) {
		t.Errorf("loop devices are %v, want %v as before", f.loops, before.loops)
	}
}

// loopDevices lists what `losetup -a` does: devices and their files.
func loopDevices(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		// One that was let go of meanwhile has none.
		if file, err := os.ReadFile(name); err == nil {
			found = append(found, strings.Split(name, "/")[3]+" "+strings.TrimSpace(string(file)))
		}
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// platformNamespaces are the network namespaces of the platform's processes, as net:[…].
func platformNamespaces(t *testing.T) map[string]bool {
	t.Helper()
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, pid := range cgroup.Pids(hierarchies) {
		// A process may have ended meanwhile.
		if namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && namespace != own {
			found[namespace] = true
		}
	}
	return found
}

// stillUsed lists those of the namespaces that some process of the machine is in.
func stillUsed(t *testing.T, namespaces map[string]bool) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, link := range links {
		if namespace, err := os.Readlink(link); err == nil && namespaces[namespace] {
			used = append(used, namespace)
		}
	}
	return used
}

func mountsOf(t *testing.T, dirs ...string) []string {
	t.Helper()
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		for _, dir := range dirs {
			if len(fields) > 1 && (fields[1] == dir || strings.HasPrefix(fields[1], dir+"/")) {
				found = append(found, fields[1])
			}
		}
	}
	return found
}
