// Package node is what runs as PID 1 of a Naru node: of an embedded host of
// the hosting cluster and of a tenant's node pod alike. It gives the node its
// mounts, cgroups and configuration files, then supervises containerd, the
// kubelet, kube-proxy, the agent and konnectivity's until it is told to stop.
package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/node/nodeconfig"
	"naru.dev/naru/internal/node/supervise"
	"naru.dev/naru/internal/node/volumes"
)

// stageVariable tells the second stage, which lives in the node's own cgroup
// namespace, from the first.
const stageVariable = "NARU_NODE_STAGE"

// Run makes this process the node's PID 1 and returns once ctx has ended and
// everything has stopped. It must be called on the main goroutine, before
// anything else has started threads that matter: the first stage replaces the
// process by the second.
func Run(ctx context.Context, configPath string) error {
	config, err := nodeconfig.Load(configPath)
	if err != nil {
		return err
	}
	if os.Getenv(stageVariable) == "" {
		return enterCgroupNamespace(config.Role)
	}
	if err := os.Unsetenv(stageVariable); err != nil {
		return fmt.Errorf("cleaning environment: %w", err)
	}
	seen, err := prepare(config)
	if err != nil {
		return err
	}
	return superviseNode(ctx, config, seen)
}

// enterCgroupNamespace makes the node's cgroups the roots that it sees. A
// cgroup namespace is a thread's, and only exec makes it the whole process's.
func enterCgroupNamespace(role nodeconfig.Role) error {
	runtime.LockOSThread()
	if role == nodeconfig.RoleHost {
		// A host dies with its daemon; the signal is a thread's, too.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("tying the host to the daemon: %w", err)
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		// An embedded host has no /proc yet; it was started by its full path.
		self = os.Args[0]
	}
	err = unix.Exec(self, os.Args, append(os.Environ(), stageVariable+"=2"))
	return fmt.Errorf("starting the node's second stage: %w", err)
}

// prepare changes the node's own namespaces only.
func prepare(config nodeconfig.Config) (facts, error) {
	if err := mountSystem(); err != nil {
		return facts{}, err
	}
	if err := mountCgroups(); err != nil {
		return facts{}, err
	}
	if err := maskSysctls(); err != nil {
		return facts{}, err
	}
	if err := setNetworkSysctls(); err != nil {
		return facts{}, err
	}
	if err := loopbackUp(); err != nil {
		return facts{}, err
	}
	if config.Capacity != nil {
		if err := bindCapacity(*config.Capacity); err != nil {
			return facts{}, err
		}
	}
	raiseFileLimit()
	seen, err := observe(config.IP)
	if err != nil {
		return facts{}, err
	}
	files, err := render(config, seen)
	if err != nil {
		return facts{}, err
	}
	return seen, writeTree("/", files)
}

func bindCapacity(capacity nodeconfig.Capacity) error {
	dir := filepath.Join(runDir, "capacity")
	if err := writeTree(dir, capacityFiles(capacity)); err != nil {
		return err
	}
	for source, target := range capacityBinds() {
		if _, err := os.Stat(target); os.IsNotExist(err) {
			continue
		}
		if err := bind(filepath.Join(dir, source), target); err != nil {
			return err
		}
	}
	return nil
}

// raiseFileLimit lets the node's processes open as many files as the machine
// allows it. Best effort: they run with fewer.
func raiseFileLimit() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
}

func superviseNode(ctx context.Context, config nodeconfig.Config, seen facts) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	children := supervise.NewChildren()
	stop := make(chan struct{})
	defer close(stop)
	if os.Getpid() == 1 {
		go children.Reap(stop)
	}
	// Before the kubelet, which would give pods what is below. A node without one of its volumes is of more use than none.
	if err := volumes.Restore(ctx, volumes.Root); err != nil {
		log.Error("volumes can't be used", "error", err)
	}
	supervisor := &supervise.Supervisor{Children: children, LogDir: logDir, Log: log}
	if config.Role == nodeconfig.RoleWorker {
		follower := &authorities{node: config.Name, files: credentialsOf(config.Role), current: supervisor.Current, log: log}
		go follower.follow(ctx)
	}
	log.Info("node starts", "name", config.Name, "ip", seen.ip, "cgroupV2", seen.cgroupV2)
	if err := supervisor.Run(ctx, processes(config, seen)); err != nil {
		return err
	}
	log.Info("node stops its containers", "name", config.Name)
	if os.Getpid() == 1 {
		stopEverybody(8 * time.Second)
	}
	return nil
}

// stopEverybody ends what is left in the PID namespace, containers above all:
// politely, then not. Called by PID 1 when nothing restarts them any more.
func stopEverybody(grace time.Duration) {
	const everybody = -1
	_ = unix.Kill(everybody, unix.SIGTERM)
	deadline := time.Now().Add(grace)
	for time.Now().Before(deadline) && othersLive() {
		time.Sleep(50 * time.Millisecond)
	}
	_ = unix.Kill(everybody, unix.SIGKILL)
}

// othersLive tells whether any process but this one is left; pause containers
// and shims, which only hold things for others, do not count for long because
// the grace is bounded.
func othersLive() bool {
	return unix.Kill(-1, 0) == nil
}
