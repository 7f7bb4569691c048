package measure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/internal/standalone/cgroup"
)

// Cgroups finds the cgroups of pods of the embedded hosting cluster, from outside.
type Cgroups struct{ hierarchies []cgroup.Hierarchy }

// FindCgroups looks where cgroups are mounted.
func FindCgroups() (Cgroups, error) {
	hierarchies, err := cgroup.Mounted()
	return Cgroups{hierarchies}, err
}

// Usage is what a pod uses.
type Usage struct {
	// Memory in bytes that the kernel can't take back without writing: the kubelet's working set.
	Memory int64
	// CPU time since the pod's start, in nanoseconds.
	CPU int64
}

// Usage reads the use of a pod, all of its containers together.
func (c Cgroups) Usage(pod *corev1.Pod) (Usage, error) {
	if v2 := c.hierarchy(func(h cgroup.Hierarchy) bool { return h.V2 && c.hasMemory(h) }); v2 != nil {
		return usageV2(pod, *v2)
	}
	memory := c.hierarchy(func(h cgroup.Hierarchy) bool { return slices.Contains(h.Controllers, "memory") })
	cpu := c.hierarchy(func(h cgroup.Hierarchy) bool { return slices.Contains(h.Controllers, "cpuacct") })
	if memory == nil || cpu == nil {
		return Usage{}, errors.New("reading pods' use: no memory or cpuacct cgroup hierarchy is mounted")
	}
	return usageV1(pod, *memory, *cpu)
}

func (c Cgroups) hierarchy(match func(cgroup.Hierarchy) bool) *cgroup.Hierarchy {
	if i := slices.IndexFunc(c.hierarchies, match); i >= 0 {
		return &c.hierarchies[i]
	}
	return nil
}

// hasMemory tells a v2 hierarchy that accounts for memory from the empty one of a hybrid machine.
func (c Cgroups) hasMemory(h cgroup.Hierarchy) bool {
	controllers, err := os.ReadFile(filepath.Join(h.Mount, "cgroup.controllers"))
	return err == nil && slices.Contains(strings.Fields(string(controllers)), "memory")
}

func usageV2(pod *corev1.Pod, h cgroup.Hierarchy) (Usage, error) {
	dir, err := podFolder(pod, h)
	if err != nil {
		return Usage{}, err
	}
	memory, err1 := number(filepath.Join(dir, "memory.current"))
	inactive, err2 := field(filepath.Join(dir, "memory.stat"), "inactive_file")
	cpu, err3 := field(filepath.Join(dir, "cpu.stat"), "usage_usec")
	return Usage{Memory: memory - inactive, CPU: cpu * 1000}, errors.Join(err1, err2, err3)
}

func usageV1(pod *corev1.Pod, memory, cpu cgroup.Hierarchy) (Usage, error) {
	memoryDir, err1 := podFolder(pod, memory)
	cpuDir, err2 := podFolder(pod, cpu)
	if err := errors.Join(err1, err2); err != nil {
		return Usage{}, err
	}
	used, err1 := number(filepath.Join(memoryDir, "memory.usage_in_bytes"))
	inactive, err2 := field(filepath.Join(memoryDir, "memory.stat"), "total_inactive_file")
	nanoseconds, err3 := number(filepath.Join(cpuDir, "cpuacct.usage"))
	return Usage{Memory: used - inactive, CPU: nanoseconds}, errors.Join(err1, err2, err3)
}

// Processes lists a pod's processes, by the machine's numbers.
func (c Cgroups) Processes(pod *corev1.Pod) ([]int, error) {
	var found []int
	for _, h := range c.hierarchies {
		dir, err := podFolder(pod, h)
		if err != nil {
			continue // Not every hierarchy has every pod.
		}
		err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() != "cgroup.procs" {
				return err
			}
			content, err := os.ReadFile(path)
			for _, text := range strings.Fields(string(content)) {
				if pid, err := strconv.Atoi(text); err == nil && !slices.Contains(found, pid) {
					found = append(found, pid)
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing the processes of pod %s: %w", pod.Name, err)
		}
	}
	return found, nil
}

// podFolder is the pod's cgroup as a host's kubelet names it (driver cgroupfs).
func podFolder(pod *corev1.Pod, h cgroup.Hierarchy) (string, error) {
	var found string
	err := filepath.WalkDir(filepath.Join(h.Mount, cgroup.Top), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil //nolint:nilerr // a cgroup that goes away meanwhile is not the one
		}
		if entry.Name() == "pod"+string(pod.UID) {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && found == "" {
		err = errors.New("it has none; is the hosting cluster the embedded one?")
	}
	if err != nil {
		return "", fmt.Errorf("looking for the cgroup of pod %s: %w", pod.Name, err)
	}
	return found, nil
}

func number(path string) (int64, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a cgroup: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
}

func field(path, name string) (int64, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a cgroup: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key == name {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("reading %s: it has no %s", path, name)
}
