//go:build vm

package vm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"naru.dev/naru/internal/release"
)

// packages are the Debian packages of the image: what runs systemd, and what `naru up` needs of a machine.
const packages = "systemd-sysv,dbus,udev,kmod,procps,iproute2,nftables,util-linux,ca-certificates"

// diskSize leaves room for what `naru up` asks for.
const diskSize = "24G"

// site is where kernel and image are kept once they are made: beside the build cache, by the hash of their inputs.
type site struct{ source, cache string }

func newSite(t *testing.T) site {
	t.Helper()
	source, err := release.FindSource("")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := release.FindCache("")
	if err != nil {
		t.Fatal(err)
	}
	return site{source, cache}
}

// scratch is a folder for what is large: a disk does not fit into a /tmp in memory.
func (s site) scratch(t *testing.T) string {
	t.Helper()
	parent := filepath.Join(s.cache, "vm")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(parent, "scratch-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// kernel returns the kernel, a program, and compiles it where it is missing, which takes minutes.
func (s site) kernel(t *testing.T) string {
	t.Helper()
	in := func(name string) string { return filepath.Join(s.source, "test/vm/kernel", name) }
	return s.ensure(t, "linux", hash(t, "", in("build.sh"), in("config"), in("host-cpu.patch")), func(dir, made string) {
		output(t, dir, in("build.sh"), made)
	})
}

// image returns the disk of a machine that was never started.
func (s site) image(t *testing.T) string {
	t.Helper()
	unit := filepath.Join(s.source, "test/vm/guest/naru-vm.service")
	return s.ensure(t, "disk", hash(t, packages+diskSize, unit), func(dir, made string) {
		root := filepath.Join(dir, "root")
		output(t, dir, "mmdebstrap", "--mode=root", "--variant=minbase", "--include="+packages, "bookworm", root)
		output(t, root, "cp", unit, "etc/systemd/system/")
		output(t, root, "ln", "-s", "../naru-vm.service", "etc/systemd/system/multi-user.target.wants/")
		// Mounted when somebody looks: it would be one mount more after the scenario than before.
		output(t, root, "ln", "-s", "/dev/null", "etc/systemd/system/proc-sys-fs-binfmt_misc.automount")
		output(t, dir, "truncate", "-s", diskSize, made)
		output(t, dir, "mkfs.ext4", "-q", "-F", "-d", root, made)
	})
}

// ensure returns a file of the cache. build gets an empty folder and the path to make the file at.
func (s site) ensure(t *testing.T, name, key string, build func(dir, made string)) string {
	t.Helper()
	file := filepath.Join(s.cache, "vm", name+"-"+key)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	t.Logf("making %s", file)
	scratch := s.scratch(t)
	dir, made := filepath.Join(scratch, "work"), filepath.Join(scratch, "made")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build(dir, made)
	if err := os.Rename(made, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// environment is what guest/scenario.sh reads.
func (s site) environment(t *testing.T, cgroup string) []string {
	t.Helper()
	return []string{
		"CGROUP=" + cgroup, "NARU_SOURCE=" + s.source, "NARU_CACHE_DIR=" + s.cache,
		"GOVERSION=" + output(t, s.source, "go", "env", "GOVERSION"),
	}
}

// output runs a program in a folder and returns what it printed.
func output(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		text := string(out)
		t.Fatalf("%s: %v\n%s", command, err, text[max(0, len(text)-3000):])
	}
	return strings.TrimSpace(string(out))
}

// hash returns a key that changes with the text and with the content of the files.
func hash(t *testing.T, text string, files ...string) string {
	t.Helper()
	sum := sha256.New()
	fmt.Fprintln(sum, text)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%d\n%s", len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
