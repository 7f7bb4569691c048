//go:build vm

package vm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// system is what a machine is started with: what the image was made of.
type system struct{ kernel, initrd, disk string }

// machine is a virtual machine; its disk outlives its boots.
type machine struct {
	system
	// options are added to the kernel's command line.
	options     string
	environment []string
}

// boot runs a stage of guest/scenario.sh in the machine until it powers off by itself or asks for the plug to be
// pulled, and returns what it printed.
func (m machine) boot(t *testing.T, stage string) lines {
	t.Helper()
	// Nobody attacks it, and an emulated processor would pay for its defences.
	options := "root=/dev/vda rw console=ttyS0 quiet loglevel=3 systemd.show_status=0 mitigations=off " + m.options
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-smp", "2", "-m", "6G", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", options+" naru.start="+m.startScript(t, stage),
		"-drive", "file="+m.disk+",format=raw,if=virtio",
		"-virtfs", "local,path=/,mount_tag=outside,security_model=none,readonly=on,multidevs=remap")
	command.Args = append(command.Args, processor(t)...)
	command.Stderr = os.Stderr
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
			if err := command.Process.Kill(); err != nil {
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

// virtualizes finds the processors that run a stock kernel under KVM. A /dev/kvm alone is no sign: there are kernels
// that have one without the processor's help, for guests that are made for it.
var virtualizes = regexp.MustCompile(`(?m)^flags\s*:.*\b(vmx|svm)\b`)

// processor has the machine run on KVM where the processor can, and emulates one where it can't.
func processor(t *testing.T) []string {
	t.Helper()
	about, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/dev/kvm"); err == nil && virtualizes.Match(about) {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	t.Log("no KVM here: the machine's processor is emulated, some ten times slower")
	// Without AES, SHA and AVX, whose emulation costs more than doing without: TLS is four times as fast, SHA-256 twice.
	return []string{"-accel", "tcg,thread=multi", "-cpu", "Nehalem"}
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
