package node

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestJail(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("making a file another user's takes root")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "konnectivity.key"), filepath.Join(dir, "true")
	j := jail{root: filepath.Join(dir, "jail"), program: program, credentials: map[string]string{"tls.key": source}, resolv: "nameserver 10.96.0.10\n"}
	write := func(path, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	fill := func() {
		t.Helper()
		if _, err := j.fill(); err != nil {
			t.Fatal(err)
		}
	}
	write(program, "program", 0o755)
	write(source, "first", 0o600)
	inside := filepath.Join(j.root, "true")
	t.Cleanup(func() { _ = unix.Unmount(inside, unix.MNT_DETACH) })
	fill()
	for name, want := range map[string]string{"true": "program", "tls.key": "first", "etc/resolv.conf": "nameserver 10.96.0.10\n"} {
		if got, err := os.ReadFile(filepath.Join(j.root, name)); err != nil || string(got) != want {
			t.Errorf("when it is filled, %s is there: got %q, %v", name, got, err)
		}
	}
	info, err := os.Stat(filepath.Join(j.root, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody || info.Mode().Perm() != 0o400 {
		t.Errorf("when it is filled, only its user reads the key: owner %d, mode %v", owner, info.Mode())
	}
	write(source, "second", 0o600)
	fill()
	if got, _ := os.ReadFile(filepath.Join(j.root, "tls.key")); string(got) != "second" {
		t.Errorf("when a key was renewed, the next start has it: got %q", got)
	}
	if err := unix.Unmount(inside, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(inside, 0); err == nil {
		t.Error("when it is filled again, the program is not bound again")
	}
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	if _, err := j.fill(); err == nil {
		t.Error("when a credential is not there, it says so")
	}
}
