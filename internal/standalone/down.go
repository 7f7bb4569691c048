package standalone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// stopPatience is how long the daemon may take to stop its hosts in order.
const stopPatience = 90 * time.Second

// DownOptions say what `naru down` does.
type DownOptions struct {
	State layout.State
	// Purge deletes the state, too.
	Purge    bool
	Progress release.Progress
}

// DownResult is what `naru down` did.
type DownResult struct{ Stopped, Purged bool }

// Down stops the platform, in order if its daemon still answers, and takes
// away what it has made on the machine: processes, cgroups, raised limits.
// Mounts and network namespaces end with the processes.
func Down(ctx context.Context, options DownOptions) (DownResult, error) {
	if os.Geteuid() != 0 {
		return DownResult{}, fmt.Errorf(`stopping Naru takes root: run it as in "sudo naru down"`)
	}
	step := func(name string, f func() error) error {
		end := options.Progress.Start(name)
		err := f()
		end("", err)
		return err
	}
	id, running, err := daemon.Running(options.State)
	if err != nil {
		return DownResult{}, err
	}
	if running {
		if err := step("stopping hosts", func() error { return stopDaemon(ctx, options.State, id) }); err != nil {
			return DownResult{}, err
		}
	}
	if err := cleanMachine(options.State); err != nil {
		return DownResult{}, err
	}
	if !options.Purge {
		return DownResult{Stopped: running}, nil
	}
	if err := step("deleting "+string(options.State), func() error { return purge(options.State) }); err != nil {
		return DownResult{}, err
	}
	return DownResult{Stopped: running, Purged: true}, nil
}

// stopDaemon asks the daemon to stop and waits. One that does not is killed,
// and its hosts die with it.
func stopDaemon(ctx context.Context, state layout.State, id daemon.Identity) error {
	if err := syscall.Kill(id.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping the daemon: %w", err)
	}
	if awaitEnd(ctx, state, stopPatience) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := syscall.Kill(id.PID, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("killing the daemon: %w", err)
	}
	if !awaitEnd(ctx, state, 10*time.Second) {
		return fmt.Errorf("killing the daemon: process %d is still there", id.PID)
	}
	return nil
}

func awaitEnd(ctx context.Context, state layout.State, patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if _, running, err := daemon.Running(state); err == nil && !running {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// cleanMachine removes what may be left of a platform that nobody runs any more.
// What belongs to a platform that does run, from another state folder, stays.
func cleanMachine(state layout.State) error {
	release, err := daemon.ClaimMachine()
	if errors.Is(err, daemon.ErrMachineTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return err
	}
	if err := cgroup.Kill(hierarchies, ""); err != nil {
		return err
	}
	if err := restoreControllers(state); err != nil {
		return err
	}
	for _, path := range []string{state.Socket(), state.Lock()} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing %s: %w", path, err)
		}
	}
	return restoreSysctls(state)
}

// purge deletes the state folder: only one that `naru up` has marked, and only
// while nothing is mounted inside it.
func purge(state layout.State) error {
	if _, err := os.Stat(string(state)); os.IsNotExist(err) {
		return nil
	}
	if _, err := os.Stat(state.Marker()); err != nil {
		return fmt.Errorf("deleting %s: it does not look like Naru's, %s is missing; delete it by hand if it is", state, state.Marker())
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("reading mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], string(state)+"/") {
			return fmt.Errorf("deleting %s: %s is mounted inside it; unmount it first", state, fields[1])
		}
	}
	// The marker goes last, so that a purge that was interrupted can be repeated.
	entries, err := os.ReadDir(string(state))
	if err != nil {
		return fmt.Errorf("deleting %s: %w", state, err)
	}
	for _, entry := range entries {
		path := string(state) + "/" + entry.Name()
		if path == state.Marker() {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("deleting %s: %w", state, err)
		}
	}
	return os.RemoveAll(string(state))
}
