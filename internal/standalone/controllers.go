package standalone

import (
	"encoding/json"
	"fmt"
	"os"

	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/layout"
)

// rememberControllers writes down which cgroup controllers the daemon is about
// to enable at the root of a v2 hierarchy. After a crash that the machine has
// survived they are enabled already, and what was written then still holds.
func rememberControllers(state layout.State) error {
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return err
	}
	if _, err := os.Stat(state.Controllers()); err == nil && cgroup.Exists(hierarchies) {
		return nil
	}
	enabling, err := cgroup.ToEnable(hierarchies)
	if err != nil {
		return err
	}
	data, err := json.Marshal(enabling)
	if err != nil {
		return fmt.Errorf("encoding cgroup controllers: %w", err)
	}
	return layout.WriteFile(state.Controllers(), data, 0o644)
}

// restoreControllers disables again what rememberControllers has written down.
// Naru's cgroups must be gone.
func restoreControllers(state layout.State) error {
	data, err := os.ReadFile(state.Controllers())
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading saved cgroup controllers: %w", err)
	}
	var enabled map[string][]string
	if err := json.Unmarshal(data, &enabled); err != nil {
		return fmt.Errorf("decoding saved cgroup controllers: %w", err)
	}
	if err := cgroup.Disable(enabled); err != nil {
		return err
	}
	if err := os.Remove(state.Controllers()); err != nil {
		return fmt.Errorf("forgetting cgroup controllers: %w", err)
	}
	return nil
}
