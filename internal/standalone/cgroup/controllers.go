package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ToEnable lists, by mount, the controllers that Make will enable for all
// children of a v2 hierarchy's root, the machine's own cgroups included.
func ToEnable(hierarchies []Hierarchy) (map[string][]string, error) {
	found := map[string][]string{}
	for _, h := range hierarchies {
		if !h.V2 {
			continue
		}
		available, err := os.ReadFile(filepath.Join(h.Mount, "cgroup.controllers"))
		if err != nil {
			return nil, fmt.Errorf("reading cgroup's controllers: %w", err)
		}
		enabled, err := os.ReadFile(filepath.Join(h.Mount, subtreeControl))
		if err != nil {
			return nil, fmt.Errorf("reading cgroup's controllers: %w", err)
		}
		if missing := without(string(available), string(enabled)); len(missing) > 0 {
			found[h.Mount] = missing
		}
	}
	return found, nil
}

// subtreeControl says which controllers a v2 cgroup's children have.
const subtreeControl = "cgroup.subtree_control"

// without returns the words of one list that are not in another.
func without(all, some string) []string {
	return slices.DeleteFunc(strings.Fields(all), func(word string) bool {
		return slices.Contains(strings.Fields(some), word)
	})
}

// Disable undoes what Make has enabled at the roots, once Naru's own cgroups are
// gone. A controller that somebody else has come to use meanwhile stays.
func Disable(enabled map[string][]string) error {
	for mount, controllers := range enabled {
		for _, controller := range controllers {
			err := os.WriteFile(filepath.Join(mount, subtreeControl), []byte("-"+controller), 0o644)
			// EBUSY: enabled for somebody's children. ENOENT: this boot has no such controller or hierarchy.
			if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("disabling cgroup controller %s: %w", controller, err)
			}
		}
	}
	return nil
}

// Exists tells whether Naru has a cgroup in any hierarchy.
func Exists(hierarchies []Hierarchy) bool {
	return slices.ContainsFunc(hierarchies, func(h Hierarchy) bool {
		_, err := os.Stat(filepath.Join(h.Mount, Top))
		return err == nil
	})
}
