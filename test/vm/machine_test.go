//go:build vm

package vm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is a virtual machine; its disk outlives its boots.
type machine struct {
	kernel, disk string
	// options are added to the kernel's command line.
	options     string
	environment []string
}

// boot runs a stage of guest/scenario.sh in the machine until it powers off by itself or asks for the plug to be
// pulled, and returns what it printed.
func (m machine) boot(t *testing.T, stage string) lines {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, m.kernel,
		"ubd0="+m.disk, "root=/dev/ubda", "rw", "mem=8G", "ncpus=2", "seccomp=on", "con=null", "con0=null,fd:1",
		"uml_dir="+t.TempDir(), "quiet", "loglevel=3", "systemd.show_status=0", m.options, "naru.start="+m.startScript(t, stage))
	// A group of its own, which ends as a whole: each process inside is one outside.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pullPlug := func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Cancel = pullPlug
	console, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var all lines
	for scanner := bufio.NewScanner(console); scanner.Scan(); {
		line := strings.TrimSpace(scanner.Text())
		all = append(all, line)
		t.Log(line)
		if line == plug {
			if err := pullPlug(); err != nil {
				t.Error(err)
			}
		}
	}
	// Its exit code says nothing: the machine may have been killed on purpose.
	_ = command.Wait()
	if ctx.Err() != nil {
		t.Fatalf("the machine did not end within %s", patience)
	}
	return all
}

// startScript writes what the machine's unit runs: the scenario, with its environment.
func (m machine) startScript(t *testing.T, stage string) string {
	t.Helper()
	scenario, err := filepath.Abs("guest/scenario.sh")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, variable := range append(m.environment, "STAGE="+stage) {
		fmt.Fprintf(&script, "export %s\n", variable)
	}
	fmt.Fprintf(&script, "exec bash /run/outside%s\n", scenario)
	path := filepath.Join(t.TempDir(), "start")
	if err := os.WriteFile(path, []byte(script.String()), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
