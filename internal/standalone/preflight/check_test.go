package preflight

import (
	"errors"
	"strings"
	"testing"
)

func good() Machine {
	return Machine{Root: true, StateDir: "/var/lib/naru", FreeBytes: 100 * gib, OverlayFit: true, Memory: 8 * gib,
		Controllers: []string{"cpu", "memory", "pids"}, Taken: map[int]string{}}
}

func TestCheck(t *testing.T) {
	want := Want{Ports: []int{6440}, Hosts: 1}
	if err := Check(good(), want); err != nil {
		t.Fatalf("when all is well, it says nothing: %v", err)
	}
	cases := map[string]struct {
		change func(*Machine)
		say    []string
	}{
		"when not root, it says so and nothing else": {
			func(m *Machine) { m.Root = false; m.Memory = 0 }, []string{"root", "sudo naru up"}},
		"when a port is taken, it names the port and who has it": {
			func(m *Machine) { m.Taken[6440] = "nginx (process 7)" }, []string{"port 6440", "nginx (process 7)", "stop that program"}},
		"when a port is taken by nobody knows whom, it names the port": {
			func(m *Machine) { m.Taken[6440] = "" }, []string{"port 6440", "another program"}},
		"when the disk is full, it says how much is missing and where else to go": {
			func(m *Machine) { m.FreeBytes = gib }, []string{"1.0 GiB free", "12.0 GiB needed", "--state-dir"}},
		"when the kernel has no VXLAN, it names the module": {
			func(m *Machine) { m.Missing = map[string]string{"vxlan": "operation not supported"} }, []string{"vxlan", "modprobe vxlan"}},
		"when the kernel has no nftables, it names the module": {
			func(m *Machine) { m.Missing = map[string]string{"nftables": "protocol not supported"} }, []string{"modprobe nf_tables"}},
		"when a controller is missing, it says how to get it": {
			func(m *Machine) { m.Controllers = []string{"cpu", "pids"} }, []string{"cgroup controller memory", "cgroup_enable=memory"}},
		"when memory is short, it says so": {
			func(m *Machine) { m.Memory = gib }, []string{"memory", "1.0 GiB", "3.0 GiB"}},
		"when the state's file system is an overlay itself, it offers another": {
			func(m *Machine) { m.OverlayFit = false }, []string{"upper layer", "ext4"}},
		"when something is mounted in the state folder, it names it": {
			func(m *Machine) { m.Leftovers = []string{"/var/lib/naru/x"} }, []string{"umount /var/lib/naru/x"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := good()
			c.change(&m)
			err := Check(m, want)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, say := range append(c.say, "nothing was changed") {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("%q does not say %q", err, say)
				}
			}
			var failed *Error
			if !errors.As(err, &failed) || len(failed.Problems) != 1 {
				t.Errorf("got %v, want one problem", err)
			}
		})
	}
}
