// Package cmd assembles naru's commands. Each subcommand is a package below this one.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/agent"
	"naru.dev/naru/cmd/daemon"
	"naru.dev/naru/cmd/down"
	"naru.dev/naru/cmd/node"
	"naru.dev/naru/cmd/release"
	"naru.dev/naru/cmd/up"
)

// version of this naru. Everything else that has a version says it itself.
const version = "0.1.0"

// Exit codes, documented in docs/cli.md.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Execute runs the command line of this process and returns its exit code.
func Execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := NewRootCommand()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "naru: interrupted")
		return exitInterrupted
	}
	if code, ok := exitCode(err); ok {
		if text := err.Error(); text != "" {
			fmt.Fprintf(os.Stderr, "naru: %s\n", text)
		}
		return code
	}
	fmt.Fprintf(os.Stderr, "naru: %v\n", err)
	return exitFailed
}

// NewRootCommand builds the tree of commands. It reads nothing and starts nothing.
func NewRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "naru",
		Short:         "Managed Kubernetes on your own machines",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nRun '%s --help' for the flags it has", err, c.CommandPath())}
	})
	root.AddCommand(
		agent.NewAgentCommand(),
		release.NewReleaseCommand(),
		daemon.New(),
		down.New(),
		node.New(),
		up.New(),
	)
	return root
}

// exitCode returns the code that an error asks for: a command returns an error with an
// ExitCode method where 1 would say too little.
func exitCode(err error) (int, bool) {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode(), true
	}
	return 0, false
}

type usageError struct{ error }

func (usageError) ExitCode() int   { return exitUsage }
func (e usageError) Unwrap() error { return e.error }
