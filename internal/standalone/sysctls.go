package standalone

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"naru.dev/naru/internal/standalone/layout"
)

// raisedSysctls are limits of the whole machine that its defaults set too low
// for several nodes' containerd, kubelet and watchers, all of one user.
func raisedSysctls() map[string]int64 {
	return map[string]int64{
		"fs/inotify/max_user_instances": 8192,
		"fs/inotify/max_user_watches":   1 << 20,
	}
}

// raiseSysctls raises what is too low and remembers what it was.
func raiseSysctls(state layout.State) error {
	before, err := readSaved(state)
	if err != nil {
		return err
	}
	for name, wanted := range raisedSysctls() {
		current, err := readSysctl(name)
		if err != nil {
			return err
		}
		if current >= wanted {
			continue
		}
		before[name] = current
	}
	data, err := json.Marshal(before)
	if err != nil {
		return fmt.Errorf("encoding sysctls: %w", err)
	}
	// Remembered first: a crash in between must not lose the old value.
	if err := layout.WriteFile(state.Sysctls(), data, 0o644); err != nil {
		return err
	}
	for name := range before {
		if err := writeSysctl(name, raisedSysctls()[name]); err != nil {
			return err
		}
	}
	return nil
}

// restoreSysctls puts back what raiseSysctls changed, unless somebody else has
// changed it since.
func restoreSysctls(state layout.State) error {
	before, err := readSaved(state)
	if err != nil {
		return err
	}
	for name, value := range before {
		current, err := readSysctl(name)
		if err != nil {
			return err
		}
		if current != raisedSysctls()[name] {
			continue
		}
		if err := writeSysctl(name, value); err != nil {
			return err
		}
	}
	if err := os.Remove(state.Sysctls()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("forgetting sysctls: %w", err)
	}
	return nil
}

func readSaved(state layout.State) (map[string]int64, error) {
	saved := map[string]int64{}
	data, err := os.ReadFile(state.Sysctls())
	if os.IsNotExist(err) {
		return saved, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading saved sysctls: %w", err)
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, fmt.Errorf("decoding saved sysctls: %w", err)
	}
	return saved, nil
}

func readSysctl(name string) (int64, error) {
	data, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return 0, fmt.Errorf("reading sysctl: %w", err)
	}
	value, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing sysctl %s: %w", name, err)
	}
	return value, nil
}

func writeSysctl(name string, value int64) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(strconv.FormatInt(value, 10)), 0o644); err != nil {
		return fmt.Errorf("setting sysctl: %w", err)
	}
	return nil
}
