// Package hostinit is the first process of an embedded host: it is born in
// fresh mount, PID, UTS and IPC namespaces, builds the host's root, enters its
// network and becomes `naru node`.
package hostinit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/cgroup"
)

// NetworkFD is the file descriptor that the host's network namespace is passed as.
const NetworkFD = 3

// Spec is what the daemon tells the process.
type Spec struct {
	Hostname string `json:"hostname"`
	// Lower, Upper, Work and Root are the overlay's folders; Lower is topmost first.
	Lower []string `json:"lower"`
	Upper string   `json:"upper"`
	Work  string   `json:"work"`
	Root  string   `json:"root"`
	// Binds maps folders and files of the machine to where the host sees them.
	Binds map[string]string `json:"binds"`
	// ReadOnly are targets of Binds that the host must not write.
	ReadOnly []string `json:"readOnly"`
	// Cgroups are the folders that the host lives in.
	Cgroups []string `json:"cgroups"`
	// Command is what the process becomes, as the host sees it.
	Command []string `json:"command"`
}

// Run never returns when it succeeds.
func Run(specPath string) error {
	data, err := os.ReadFile(specPath)
	if err != nil {
		return fmt.Errorf("reading host: %w", err)
	}
	var spec Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("decoding host: %w", err)
	}
	if err := cgroup.Join(spec.Cgroups); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("setting host name: %w", err)
	}
	if err := buildRoot(spec); err != nil {
		return err
	}
	if err := enterRoot(spec.Root); err != nil {
		return err
	}
	// setns changes this thread only; exec makes it the process's.
	runtime.LockOSThread()
	if err := unix.Setns(NetworkFD, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering host network: %w", err)
	}
	unix.CloseOnExec(NetworkFD)
	// exec keeps this thread, which has not inherited the parent-death signal
	// that the daemon gave the first one.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("tying the host to the daemon: %w", err)
	}
	environment := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "container=naru",
	}
	err = unix.Exec(spec.Command[0], spec.Command, environment)
	return fmt.Errorf("starting %s: %w", spec.Command[0], err)
}

func buildRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping mounts private: %w", err)
	}
	for _, dir := range []string{spec.Upper, spec.Work, spec.Root} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making root folders: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(spec.Lower, ":"), spec.Upper, spec.Work)
	if err := unix.Mount("overlay", spec.Root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting the host's root: %w", err)
	}
	for source, target := range spec.Binds {
		readOnly := slices.Contains(spec.ReadOnly, target)
		if err := bind(source, filepath.Join(spec.Root, target), readOnly); err != nil {
			return err
		}
	}
	return nil
}

func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", source, err)
	}
	if err := mountPoint(target, info.IsDir()); err != nil {
		return fmt.Errorf("making mount point: %w", err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding %s over %s: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("protecting %s: %w", target, err)
	}
	return nil
}

func mountPoint(target string, dir bool) error {
	if dir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	return file.Close()
}

// enterRoot makes root the namespace's only mount tree; the machine's files
// are out of the host's reach from here on.
func enterRoot(root string) error {
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("entering the host's root: %w", err)
	}
	// pivot_root(".", "."): the old root ends up on top of the new one
	// (pivot_root(2), NOTES) and is taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the machine's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("entering the host's root: %w", err)
	}
	return nil
}
