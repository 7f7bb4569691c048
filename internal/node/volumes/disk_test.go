package volumes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"naru.dev/naru/test/naru"
)

const size = 16 << 20

// isolated gives the test's thread mounts of its own, which end with it.
func isolated(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlock: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

// attached lists the files below a folder that are loop devices of the machine.
func attached(t *testing.T, below string) []string {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		// One that was let go of meanwhile has none.
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), below) {
			found = append(found, strings.TrimSpace(string(file)))
		}
	}
	return found
}

func requireNoneAttached(t *testing.T, below string) {
	t.Helper()
	err := naru.Eventually(t.Context(), "no loop device", 10*time.Second, func(context.Context) error {
		if left := attached(t, below); len(left) > 0 {
			return errors.New(strings.Join(left, ", "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func newDisk(t *testing.T) string {
	t.Helper()
	isolated(t)
	path := filepath.Join(t.TempDir(), "volumes", "pvc-1_shop_data")
	unmountAtEnd(t, path)
	if err := makeDisk(t.Context(), path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// unmountAtEnd lets the test's temporary folder be removed.
func unmountAtEnd(t *testing.T, path string) {
	t.Cleanup(func() {
		if mounted(path) {
			if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDisk(t *testing.T) {
	t.Run("when it is full, no more is written, and what was deleted can be used again", func(t *testing.T) {
		path := newDisk(t)
		if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
			t.Errorf("a new one holds %v, %v", left, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("its folder is %v, %v", info, err)
		}
		for range 2 {
			file := filepath.Join(path, "file")
			if err := os.WriteFile(file, make([]byte, 4*size), 0o600); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("four times its size was written: %v", err)
			}
			if info, err := os.Stat(file); err != nil || info.Size() < size/2 || info.Size() > size {
				t.Errorf("the file is %v, %v", info, err)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("when it is made again, what it holds stays", func(t *testing.T) {
		path := newDisk(t)
		if err := os.WriteFile(filepath.Join(path, "row"), []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := makeDisk(t.Context(), path, size); err != nil {
			t.Fatal(err)
		}
		if row, err := os.ReadFile(filepath.Join(path, "row")); err != nil || string(row) != "1" {
			t.Errorf("it holds %q, %v", row, err)
		}
	})
}

func TestDropDisk(t *testing.T) {
	t.Run("when it is removed, nothing is left, not even a device", func(t *testing.T) {
		path := newDisk(t)
		if err := dropDisk(path); err != nil {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 || mounted(path) {
			t.Errorf("left: %v, %v", left, err)
		}
		if left, err := filepath.Glob("/dev/naru-*"); err != nil || len(left) > 0 {
			t.Errorf("left in /dev: %v, %v", left, err)
		}
		requireNoneAttached(t, path)
		if err := dropDisk(path); err != nil {
			t.Errorf("when it is not there, that is no error: %v", err)
		}
	})
	t.Run("when somebody uses it, it is not removed", func(t *testing.T) {
		path := newDisk(t)
		file, err := os.Create(filepath.Join(path, "open"))
		if err != nil {
			t.Fatal(err)
		}
		if err := dropDisk(path); !errors.Is(err, unix.EBUSY) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(path + imageSuffix); err != nil || !mounted(path) {
			t.Errorf("it is gone: %v", err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAttach(t *testing.T) {
	t.Run("when it is a device already, it does not become another", func(t *testing.T) {
		path := newDisk(t)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := attach(short, path+imageSuffix); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when nothing can be made of the size, nothing is left", func(t *testing.T) {
		isolated(t)
		path := filepath.Join(t.TempDir(), "tiny")
		if err := makeDisk(t.Context(), path, 1); err == nil {
			t.Error("it was made")
		}
		if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

func TestProvisionDisk(t *testing.T) {
	isolated(t)
	l := newLocal(t, "one")
	l.form = Disks
	made := l.provision(t)
	path := made.Spec.Local.Path
	unmountAtEnd(t, path)
	var room unix.Statfs_t
	if err := unix.Statfs(path, &room); err != nil {
		t.Fatal(err)
	}
	const gib = 1 << 30
	if has := int64(room.Blocks) * room.Bsize; has > gib || has < gib*9/10 {
		t.Errorf("when 1 GiB is claimed, it has room for %d bytes", has)
	}
	if err := l.Delete(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(l.root); err != nil || len(left) > 0 {
		t.Errorf("when it is deleted, nothing is left: %v, %v", left, err)
	}
	requireNoneAttached(t, l.root)
}

func TestRestore(t *testing.T) {
	isolated(t)
	root := t.TempDir()
	good, bad, folder := filepath.Join(root, "good"), filepath.Join(root, "bad"), filepath.Join(root, "folder")
	for _, path := range []string{good, bad} {
		unmountAtEnd(t, path)
		if err := makeDisk(t.Context(), path, size); err != nil {
			t.Fatal(err)
		}
	}
	// A volume of before, and one whose making was cut off.
	if err := errors.Join(os.Mkdir(folder, 0o777), os.WriteFile(filepath.Join(root, "cut"+imageSuffix+unfinished), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(good, "row"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{good, bad} {
		if err := unix.Unmount(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(bad+imageSuffix, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Restore(t.Context(), root)
	if err == nil || !strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), good) {
		t.Errorf("when a disk can't be mounted, it alone is named: %v", err)
	}
	if row, err := os.ReadFile(filepath.Join(good, "row")); err != nil || string(row) != "1" {
		t.Errorf("when a disk can be mounted, it is, beside one that can't: %q, %v", row, err)
	}
	if _, err := os.Stat(bad); !os.IsNotExist(err) {
		t.Errorf("when a disk can't be mounted, it has no folder that something could be written to: %v", err)
	}
	if _, err := os.Stat(folder); err != nil || mounted(folder) {
		t.Errorf("when a volume is a folder, it stays one: %v", err)
	}
	if err := unix.Unmount(good, 0); err != nil {
		t.Fatal(err)
	}
	requireNoneAttached(t, root)
}
