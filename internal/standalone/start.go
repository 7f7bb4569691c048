package standalone

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/daemon"
)

// start leaves a daemon running and returns when it answers.
func (u *upper) start(ctx context.Context) error {
	if err := raiseSysctls(u.State); err != nil {
		return err
	}
	if err := rememberControllers(u.State); err != nil {
		return err
	}
	if err := installProgram(u.State); err != nil {
		return err
	}
	log, err := os.OpenFile(u.State.DaemonLog(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("opening the daemon's log: %w", err)
	}
	defer log.Close()
	if err := keepFiles(); err != nil {
		return err
	}
	// Not CommandContext: the daemon outlives this process and its context.
	c := exec.Command(u.State.Program(), "daemon", "--state-dir", string(u.State))
	c.Dir = "/"
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		if _, err := daemon.Ask(ctx, u.State); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("starting the daemon: %w: %s", err, lastLine(u.State.DaemonLog()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// keepFiles keeps what this process has open beside its standard streams from what it starts. A lock that a script holds while
// it runs naru would otherwise be the daemon's for as long as that lives.
func keepFiles() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keeping open files from the daemon: %w", err)
	}
	return nil
}

func lastLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}
