package supervise

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Children starts processes and, on PID 1, reaps the orphans of everybody
// else. The two must know of each other: a reaper that waits for any child
// would steal the exit status of a supervised one.
type Children struct {
	mu  sync.Mutex
	own map[int]struct{}
}

// NewChildren returns an empty set.
func NewChildren() *Children {
	return &Children{own: map[int]struct{}{}}
}

// Start starts cmd as one of ours.
func (c *Children) Start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	c.own[cmd.Process.Pid] = struct{}{}
	return nil
}

// Wait waits for a process that Start started.
func (c *Children) Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.own, cmd.Process.Pid)
	return err
}

// Reap reaps orphans until stop is closed. Only PID 1 and subreapers have any.
func (c *Children) Reap(stop <-chan struct{}) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	defer signal.Stop(signals)
	for {
		// An own zombie at the head of the kernel's list hides the orphans
		// behind it until its waiter has run, so look again soon after.
		again := time.Duration(-1)
		if c.reapOrphans() {
			again = 20 * time.Millisecond
		}
		var timer <-chan time.Time
		if again > 0 {
			timer = time.After(again)
		}
		select {
		case <-stop:
			return
		case <-signals:
		case <-timer:
		}
	}
}

// reapOrphans reaps what it can and reports whether an own zombie was in the way.
func (c *Children) reapOrphans() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		pid := zombiePid(&info)
		if err != nil || pid == 0 {
			return false
		}
		if _, mine := c.own[pid]; mine {
			return true
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
			return false
		}
	}
}
