// Package daemon is what `naru up` leaves running: it holds the hosts' network,
// keeps the hosts alive and publishes what users reach on 127.0.0.1. It owns no
// state that a new daemon could not rebuild.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"naru.dev/naru/internal/node/supervise"
	"naru.dev/naru/internal/standalone/cgroup"
	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/internal/standalone/wire"
)

// Daemon is one run of the platform.
type Daemon struct {
	state       layout.State
	spec        layout.Spec
	executable  string
	log         *slog.Logger
	hierarchies []cgroup.Hierarchy
	wire        *wire.Wire
	supervisor  *supervise.Supervisor
	children    *supervise.Children

	mu       sync.Mutex
	networks map[string]*wire.Namespace
	problems map[string]string
}

// Run runs the platform that the state folder describes until ctx ends, then
// stops it in order. It fails when another daemon holds the folder.
func Run(ctx context.Context, state layout.State, log *slog.Logger) error {
	unlock, err := lock(state)
	if err != nil {
		return err
	}
	defer unlock()
	release, err := ClaimMachine()
	if err != nil {
		return fmt.Errorf("starting on %s: %w", state, err)
	}
	defer release()
	d, err := newDaemon(state, log)
	if err != nil {
		return err
	}
	defer d.wire.Close()
	stopControl, err := d.serveControl()
	if err != nil {
		return err
	}
	defer stopControl()
	publishing := make(chan struct{})
	go func() {
		defer close(publishing)
		d.publish(ctx)
	}()
	log.Info("daemon starts", "hosts", d.spec.Hosts, "state", state)
	err = d.supervisor.Run(ctx, d.hostProcesses())
	<-publishing
	log.Info("daemon stops")
	return errors.Join(err, d.leave())
}

func newDaemon(state layout.State, log *slog.Logger) (*Daemon, error) {
	spec, err := state.ReadSpec()
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding own executable: %w", err)
	}
	if err := ensureEncryption(state); err != nil {
		return nil, err
	}
	for _, dir := range []string{state.Images(), state.Trust(), state.Hosts()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making state folders: %w", err)
		}
	}
	hierarchies, err := cgroup.Mounted()
	if err != nil {
		return nil, err
	}
	// Whatever ran under an earlier daemon is of no use without its network.
	if err := cgroup.Kill(hierarchies, ""); err != nil {
		return nil, err
	}
	own, err := cgroup.Make(hierarchies, daemonCgroup)
	if err != nil {
		return nil, err
	}
	// Out of the user's session, which may be ended as a whole.
	if err := cgroup.Join(own); err != nil {
		return nil, err
	}
	w, err := wire.New(layout.WireAddress + "/24")
	if err != nil {
		return nil, err
	}
	children := supervise.NewChildren()
	return &Daemon{
		state: state, spec: spec, executable: executable, log: log, hierarchies: hierarchies, wire: w, children: children,
		supervisor: &supervise.Supervisor{Children: children, LogDir: string(state) + "/log", Log: log},
		networks:   map[string]*wire.Namespace{},
		problems:   map[string]string{},
	}, nil
}

// daemonCgroup is the daemon's own cgroup below naru/.
const daemonCgroup = "daemon"

func (d *Daemon) hostProcesses() []supervise.Process {
	var list []supervise.Process
	for _, host := range layout.Hosts(d.spec.Hosts) {
		list = append(list, d.hostProcess(host))
	}
	return list
}

// leave takes away what outlives the processes: cgroups.
func (d *Daemon) leave() error {
	var errs []error
	for _, host := range layout.Hosts(d.spec.Hosts) {
		errs = append(errs, cgroup.Kill(d.hierarchies, host.Name()))
	}
	return errors.Join(errs...)
}
