// Package preflight decides, before anything is changed, whether a machine can
// run the platform.
package preflight

import (
	"fmt"
	"slices"
	"strings"
)

// Machine is what was observed of a machine.
type Machine struct {
	Root bool
	// Missing are kernel features that did not work when tried, and why.
	Missing map[string]string
	// StateDir is where the state would go; FreeBytes is what its disk has left,
	// and OverlayFit is false when the disk's file system can't be an overlay's upper layer.
	StateDir   string
	FreeBytes  uint64
	OverlayFit bool
	// Memory is the machine's, in bytes.
	Memory uint64
	// Taken maps ports that can't be listened on to who holds them ("" when unknown).
	Taken map[int]string
	// Controllers are the cgroup controllers that the machine offers.
	Controllers []string
	// Leftovers are mounts below the state folder in the machine's own mount namespace.
	Leftovers []string
	// Tools are programs that are missing.
	MissingTools []string
}

// Want is what the platform needs.
type Want struct {
	Ports []int
	Hosts int
}

// Problem is one reason why the platform can't run.
type Problem struct {
	What, Why, Remedy string
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s; %s", p.What, p.Why, p.Remedy) }

// Error lists the problems of a machine.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := []string{"this machine can't run Naru, and nothing was changed:"}
	for _, problem := range e.Problems {
		lines = append(lines, "  - "+problem.String())
	}
	return strings.Join(lines, "\n")
}

// Disk and memory that the first cluster fits in.
const (
	gib       = 1 << 30
	freeDisk  = 12 * gib
	memory    = 3 * gib
	memoryPer = 1 * gib
)

// Check returns an *Error with everything that is wrong, or nil.
func Check(m Machine, want Want) error {
	if !m.Root {
		// Nothing else can be known without it.
		return &Error{[]Problem{{"user", "not root, and namespaces, mounts and cgroups take root", `run it as root, as with "sudo naru up"`}}}
	}
	var problems []Problem
	for _, feature := range sortedKeys(m.Missing) {
		problems = append(problems, Problem{"kernel feature " + feature, m.Missing[feature],
			`load its module ("modprobe ` + module(feature) + `") or boot a kernel that has it`})
	}
	problems = append(problems, ports(m, want)...)
	problems = append(problems, resources(m, want)...)
	for _, controller := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(m.Controllers, controller) {
			problems = append(problems, Problem{"cgroup controller " + controller, "the machine does not offer it",
				"mount it below /sys/fs/cgroup, or boot with cgroup_enable=" + controller})
		}
	}
	for _, mount := range m.Leftovers {
		problems = append(problems, Problem{"mount " + mount, "something is mounted inside the state folder",
			`unmount it ("umount ` + mount + `")`})
	}
	if len(problems) == 0 {
		return nil
	}
	return &Error{problems}
}

func ports(m Machine, want Want) []Problem {
	var problems []Problem
	for _, port := range want.Ports {
		holder, taken := m.Taken[port]
		if !taken {
			continue
		}
		why := "another program listens on 127.0.0.1 there"
		if holder != "" {
			why = holder + " listens there"
		}
		problems = append(problems, Problem{fmt.Sprintf("port %d", port), why, "stop that program, Naru has no other port for this"})
	}
	return problems
}

func resources(m Machine, want Want) []Problem {
	var problems []Problem
	if m.FreeBytes < freeDisk {
		problems = append(problems, Problem{"disk of " + m.StateDir, fmt.Sprintf("%s free, %s needed", size(m.FreeBytes), size(freeDisk)),
			"free some space, or put the state elsewhere with --state-dir"})
	}
	if !m.OverlayFit {
		problems = append(problems, Problem{"file system of " + m.StateDir, "it can't hold the upper layer of an overlay",
			"put the state on ext4, xfs or btrfs with --state-dir"})
	}
	if needed := uint64(memory + (want.Hosts-1)*memoryPer); m.Memory < needed {
		problems = append(problems, Problem{"memory", fmt.Sprintf("the machine has %s, %s needed", size(m.Memory), size(needed)),
			"use a larger machine or fewer hosts"})
	}
	return problems
}

func size(bytes uint64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/gib) }

// module is the kernel module that a feature is in.
func module(feature string) string {
	if feature == "nftables" {
		return "nf_tables"
	}
	return feature
}
