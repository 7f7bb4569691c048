// Package standalone is `naru up` and `naru down`: it boots a hosting cluster
// on this machine, inside namespaces of its own, and installs into it what any
// hosting cluster would get. No product logic lives here.
package standalone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/internal/standalone/preflight"
)

// Options say what `naru up` brings up.
type Options struct {
	State layout.State
	// Hosts is 1 to layout.MaxHosts; 0 means as many as there were, or 1.
	Hosts int
	// Source and Cache are the release's; empty means to find them.
	Source, Cache string
	// Timeout is how long each part of the platform may take until it is ready.
	Timeout time.Duration
	// Progress hears of each step.
	Progress release.Progress
}

// Result is what `naru up` found or made.
type Result struct {
	Hosts int
	// Started is false when the platform was running already.
	Started bool
	// Changed is false when nothing at all had to be done.
	Changed bool
}

// Up makes the platform run. What is done already is left as it is; after a
// crash, everything comes back with its data.
func Up(ctx context.Context, options Options) (Result, error) {
	_, running, err := daemon.Running(options.State)
	if err != nil {
		return Result{}, err
	}
	hosts, err := decideHosts(options, running)
	if err != nil {
		return Result{}, err
	}
	if !running {
		if err := checkMachine(options.State, hosts); err != nil {
			return Result{}, err
		}
	}
	built, err := release.Build(ctx, release.Options{Source: options.Source, Cache: options.Cache, Progress: options.Progress})
	if err != nil {
		return Result{}, err
	}
	u := &upper{Options: options, built: built, running: running, hosts: hosts}
	if err := u.run(ctx); err != nil {
		return Result{}, err
	}
	return Result{Hosts: hosts, Started: !running, Changed: u.changed}, nil
}

// decideHosts settles how many hosts there are: what an existing platform has,
// or what is asked for.
func decideHosts(options Options, running bool) (int, error) {
	asked := options.Hosts
	if asked < 0 || asked > layout.MaxHosts {
		return 0, fmt.Errorf("--hosts %d can't be: give 1 to %d", asked, layout.MaxHosts)
	}
	spec, err := options.State.ReadSpec()
	if errors.Is(err, fs.ErrNotExist) {
		return max(asked, 1), nil
	}
	if err != nil {
		return 0, err
	}
	if asked == 0 || asked == spec.Hosts {
		return spec.Hosts, nil
	}
	if asked < spec.Hosts {
		return 0, fmt.Errorf("--hosts %d can't be: this platform has %d, and etcd's members and volumes live on them; "+
			`to begin anew run "naru down --purge", which deletes all clusters`, asked, spec.Hosts)
	}
	if running {
		return 0, fmt.Errorf(`--hosts %d can't be while the platform runs with %d: run "naru down" first`, asked, spec.Hosts)
	}
	return asked, nil
}

// checkMachine refuses a machine that can't run the platform, before anything is changed.
func checkMachine(state layout.State, hosts int) error {
	ports := []int{layout.HostingPort, layout.ServerPort, layout.PushPort}
	return preflight.Check(preflight.Observe(string(state), ports), preflight.Want{Ports: ports, Hosts: hosts})
}

// upper is one run of Up.
type upper struct {
	Options
	built   *release.Built
	running bool
	hosts   int
	changed bool
}

func (u *upper) step(name string, f func() (string, error)) error {
	end := u.Progress.Start(name)
	result, err := f()
	end(result, err)
	return err
}

func (u *upper) run(ctx context.Context) error {
	if err := u.prepare(); err != nil {
		return err
	}
	if !u.running {
		u.changed = true
		if err := u.step("starting hosts", func() (string, error) { return "", u.start(ctx) }); err != nil {
			return err
		}
	}
	client, err := u.connect(ctx)
	if err != nil {
		return err
	}
	return u.install(ctx, client)
}

// prepare writes what the daemon reads: the archive of images and the platform.
func (u *upper) prepare() error {
	names, err := archiveNames(u.built)
	if err != nil {
		return err
	}
	spec := layout.Spec{
		Hosts:      u.hosts,
		Kubernetes: u.built.Kubernetes,
		Rootfs:     rootfsNames(u.State, u.built.NodeRootfs),
		Images:     u.built.Refs(),
		Archives:   names,
	}
	if old, err := u.State.ReadSpec(); err == nil {
		// The hosting cluster's own version and images stay what it was made
		// with: kubeadm has written them into its static pods.
		spec.Kubernetes = old.Kubernetes
		if equalSpecs(old, spec) {
			return u.ensureFiles(spec)
		}
	}
	u.changed = true
	if err := os.MkdirAll(string(u.State), 0o755); err != nil {
		return fmt.Errorf("making state folder: %w", err)
	}
	if err := layout.WriteFile(u.State.Marker(), []byte("The state of naru; \"naru down --purge\" deletes it.\n"), 0o644); err != nil {
		return err
	}
	if err := u.ensureFiles(spec); err != nil {
		return err
	}
	return u.State.WriteSpec(spec)
}

// ensureFiles makes what a platform's description names.
func (u *upper) ensureFiles(spec layout.Spec) error {
	if err := u.ensureArchives(spec); err != nil {
		return err
	}
	return u.ensureRootfs(spec)
}

func equalSpecs(a, b layout.Spec) bool {
	if a.Hosts != b.Hosts || a.Kubernetes != b.Kubernetes || !slices.Equal(a.Archives, b.Archives) ||
		!slices.Equal(a.Rootfs, b.Rootfs) || len(a.Images) != len(b.Images) {
		return false
	}
	for name, ref := range a.Images {
		if b.Images[name] != ref {
			return false
		}
	}
	return true
}
