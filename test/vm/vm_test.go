//go:build vm

// Package vm tries Naru on a machine that is unlike the one it is built on: Debian with systemd, on cgroup v2 alone or on
// v1 beside v2, that loses its power. The machine is a User-mode Linux, a kernel that runs as a program: it needs no
// help of the processor, as QEMU does to be fast, and has no network card.
package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long one boot may take.
const patience = 20 * time.Minute

func TestVM(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("making a root file system takes root")
	}
	site := newSite(t)
	kernel, image := site.kernel(t), site.image(t)
	cases := map[string]struct {
		// options are added to the kernel's command line.
		options string
		// cgroup is the type of file system that /sys/fs/cgroup must be.
		cgroup string
	}{
		"v2":     {"", "cgroup2fs"},
		"hybrid": {"systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "tmpfs"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			disk := filepath.Join(site.scratch(t), "disk")
			output(t, "", "cp", "--sparse=always", image, disk)
			m := machine{kernel: kernel, disk: disk, options: c.options, environment: site.environment(t, c.cgroup)}
			if !t.Run("when it loses power, the platform runs", func(t *testing.T) { m.boot(t, "first").requireLine(t, plug) }) {
				return
			}
			t.Run("when it starts again, everything is back, and down leaves nothing", func(t *testing.T) {
				m.boot(t, "second").requireLine(t, marker+"passed")
			})
		})
	}
}

// marker begins the lines that are meant for this test; after plug the power is taken away.
const (
	marker = "naru-vm: "
	plug   = marker + "pull the plug"
)

// lines are what a machine has printed on its console.
type lines []string

func (l lines) requireLine(t *testing.T, want string) {
	t.Helper()
	for _, line := range l {
		if strings.TrimSpace(line) == want {
			return
		}
	}
	t.Fatalf("the machine ended without %q; the end of its console:\n%s", want, strings.Join(l[max(0, len(l)-40):], "\n"))
}
