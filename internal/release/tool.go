package release

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// tool is one call of a program that builds something.
type tool struct {
	step string
	dir  string
	env  []string
	args []string
}

// outputLines is how much of a failed tool's output an error carries.
const outputLines = 12

// run calls the tool at a low priority, so that a build does not starve what runs
// beside it, and returns what it wrote to its standard output.
func (t tool) run(ctx context.Context) (string, error) {
	if _, err := exec.LookPath(t.args[0]); err != nil {
		return "", &MissingToolError{Tool: t.args[0]}
	}
	command := exec.CommandContext(ctx, "nice", append([]string{"-n", "5"}, t.args...)...)
	command.Dir = t.dir
	command.Env = append(os.Environ(), t.env...)
	// A group of its own: an interrupt ends the tool with all that it has started.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &ComponentError{
			Step:    t.step,
			Command: strings.Join(t.args, " "),
			Output:  lastLines(stderr.String(), outputLines),
			Err:     err,
		}
	}
	return stdout.String(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
