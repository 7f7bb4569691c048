// Package naru runs the programs of this project, as a user does, for end-to-end tests and
// benchmarks, and keeps what they printed for whoever has to understand a failure.
package naru

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"naru.dev/naru/internal/release"
)

// BinaryVariable names the naru binary that is run; without it bin/naru, which `make build` makes.
const BinaryVariable = "NARU_BINARY"

// Hosting stands for the hosting cluster where a cluster's name is asked for.
const Hosting = ""

// CLI runs naru and kubectl. It is safe for concurrent use.
type CLI struct {
	// Binary is naru's path.
	Binary string
	// Root is the root of the source tree, where programs are run.
	Root string
	// dir holds a kubeconfig a cluster.
	dir string
}

// Find finds the naru binary. dir is an empty folder for the CLI's own files.
func Find(dir string) (*CLI, error) {
	root, err := release.FindSource("")
	if err != nil {
		return nil, err
	}
	binary := os.Getenv(BinaryVariable)
	if binary == "" {
		binary = filepath.Join(root, "bin", "naru")
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("finding naru: %w; build it with \"make build\" or name it in $%s", err, BinaryVariable)
	}
	return &CLI{Binary: binary, Root: root, dir: dir}, nil
}

// Result is what a program printed.
type Result struct {
	Command        string
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("$ %s\nexit code %d after %.1fs\n--- stdout\n%s\n--- stderr\n%s", r.Command, r.Code, r.Took.Seconds(), r.Stdout, r.Stderr)
}

// FailedError is a program that ended with an exit code other than 0.
type FailedError struct{ Result Result }

func (e *FailedError) Error() string { return e.Result.String() }

// Naru runs naru. Errors: *FailedError.
func (c *CLI) Naru(ctx context.Context, args ...string) (Result, error) {
	return c.Pipe(ctx, "", args...)
}

// Pipe runs naru with something on its standard input. Errors: *FailedError.
func (c *CLI) Pipe(ctx context.Context, stdin string, args ...string) (Result, error) {
	command := exec.CommandContext(ctx, c.Binary, args...)
	command.Dir = c.Root
	command.Stdin = strings.NewReader(stdin)
	return Run(command)
}

// Kubectl runs the kubectl that naru has built, against a cluster. Errors: *FailedError.
func (c *CLI) Kubectl(ctx context.Context, cluster string, args ...string) (Result, error) {
	command, err := c.Command(ctx, cluster, args...)
	if err != nil {
		return Result{}, err
	}
	return Run(command)
}

// Command prepares a run of kubectl that the caller starts.
func (c *CLI) Command(ctx context.Context, cluster string, args ...string) (*exec.Cmd, error) {
	kubeconfig, err := c.Kubeconfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	kubectl, err := Program("kubernetes", "kubectl")
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, kubectl, args...)
	command.Dir = c.Root
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+filepath.Join(c.dir, "cache"))
	return command, nil
}

// Kubeconfig writes a cluster's kubeconfig, as `naru kubeconfig` prints it, and returns its path.
func (c *CLI) Kubeconfig(ctx context.Context, cluster string) (string, error) {
	name, args := "hosting", []string{"kubeconfig", "--hosting", "-o", "-"}
	if cluster != Hosting {
		name, args = "cluster-"+cluster, []string{"kubeconfig", cluster, "-o", "-"}
	}
	path := filepath.Join(c.dir, name+".kubeconfig")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	printed, err := c.Naru(ctx, args...)
	if err != nil {
		return "", fmt.Errorf("asking for a kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, []byte(printed.Stdout), 0o600); err != nil {
		return "", fmt.Errorf("keeping a kubeconfig: %w", err)
	}
	return path, nil
}

// Forget drops what is kept of a cluster that is gone: another one of its name has other credentials.
func (c *CLI) Forget(cluster string) error {
	err := os.Remove(filepath.Join(c.dir, "cluster-"+cluster+".kubeconfig"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Run runs a prepared command. Errors: *FailedError.
func Run(command *exec.Cmd) (Result, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	// What it leaves behind in the background must not keep the pipes, and us, waiting.
	command.WaitDelay = 5 * time.Second
	begin := time.Now()
	err := command.Run()
	result := Result{
		Command: strings.Join(append([]string{filepath.Base(command.Path)}, command.Args[1:]...), " "),
		Stdout:  stdout.String(), Stderr: stderr.String(), Took: time.Since(begin),
	}
	if command.ProcessState != nil {
		result.Code = command.ProcessState.ExitCode()
	}
	if errors.Is(err, exec.ErrWaitDelay) && result.Code == 0 {
		err = nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return result, &FailedError{Result: result}
	}
	if err != nil {
		return result, fmt.Errorf("running %s: %w\n%v", result.Command, err, result)
	}
	return result, nil
}

// Program returns the path, in the build cache, of a program of a component: that which was built
// or used last.
func Program(component, name string) (string, error) {
	cache, err := release.FindCache("")
	if err != nil {
		return "", err
	}
	entries, err := filepath.Glob(filepath.Join(cache, "bin", component, "*"))
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	newest, used := "", time.Time{}
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(entry, name))
		if err != nil {
			continue // Another kind of entry.
		}
		if dir, err := os.Stat(entry); err == nil && dir.ModTime().After(used) {
			newest, used = filepath.Join(entry, info.Name()), dir.ModTime()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("%s was not built yet: run \"naru up\" or \"naru release build\"", name)
	}
	return newest, nil
}
