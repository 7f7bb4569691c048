package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// bind shows source at target, too.
func bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("binding %s over %s: %w", source, target, err)
	}
	return nil
}

func mount(fstype, target string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("making mount point: %w", err)
	}
	if err := unix.Mount(fstype, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", fstype, target, err)
	}
	return nil
}

// hasType tells whether the file system at path is of the type that magic names.
func hasType(path string, magic int64) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == magic
}

// mountSystem provides /proc, /sys, /dev, /run and /tmp where the container
// runtime (a node pod's) or nobody (an embedded host) has not. Everything is
// mounted in the caller's mount namespace, which is the node's own.
func mountSystem() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing mounts: %w", err)
	}
	const safe = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	if !hasType("/proc", unix.PROC_SUPER_MAGIC) {
		if err := mount("proc", "/proc", safe, ""); err != nil {
			return err
		}
	}
	if !hasType("/sys", unix.SYSFS_MAGIC) {
		if err := mount("sysfs", "/sys", safe, ""); err != nil {
			return err
		}
	}
	if err := mountDevices(); err != nil {
		return err
	}
	for path, mode := range map[string]string{"/run": "mode=755", "/tmp": "mode=1777"} {
		if hasType(path, unix.TMPFS_MAGIC) {
			continue
		}
		if err := mount("tmpfs", path, unix.MS_NOSUID|unix.MS_NODEV, mode); err != nil {
			return err
		}
	}
	return os.MkdirAll(runDir, 0o755)
}

// device is one device node.
type device struct {
	name         string
	major, minor uint32
	mode         uint32
}

// devices are what containers, the kubelet (kmsg) and storage or network
// add-ons (fuse, tun) expect, and no disk of the machine.
func devices() []device {
	return []device{
		{"null", 1, 3, 0o666}, {"zero", 1, 5, 0o666}, {"full", 1, 7, 0o666},
		{"random", 1, 8, 0o666}, {"urandom", 1, 9, 0o666}, {"kmsg", 1, 11, 0o644},
		{"tty", 5, 0, 0o666}, {"fuse", 10, 229, 0o666}, {"net/tun", 10, 200, 0o666},
	}
}

func mountDevices() error {
	if !hasType("/dev", unix.TMPFS_MAGIC) {
		if err := mount("tmpfs", "/dev", unix.MS_NOSUID, "mode=755,size=64k"); err != nil {
			return err
		}
		if err := mount("devpts", "/dev/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
			return err
		}
		if err := mount("tmpfs", "/dev/shm", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=64m"); err != nil {
			return err
		}
		for link, target := range map[string]string{
			"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
			"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
			if err := os.Symlink(target, filepath.Join("/dev", link)); err != nil {
				return fmt.Errorf("linking /dev/%s: %w", link, err)
			}
		}
	}
	for _, d := range devices() {
		path := filepath.Join("/dev", d.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making folder of %s: %w", path, err)
		}
		err := unix.Mknod(path, unix.S_IFCHR|d.mode, int(unix.Mkdev(d.major, d.minor)))
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("making %s: %w", path, err)
		}
	}
	return nil
}

// writeTree writes files below dir, making folders as needed. A name that ends
// in a slash is a folder.
func writeTree(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, name)
		folder, isFolder := strings.CutSuffix(dir+"/"+name, "/")
		if !isFolder {
			folder = filepath.Dir(path)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making folder of %s: %w", path, err)
		}
		if isFolder {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}
