// Package cmd assembles naru's commands. Each subcommand is a package below this one.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/agent"
	"naru.dev/naru/cmd/api"
	"naru.dev/naru/cmd/apply"
	"naru.dev/naru/cmd/authenticator"
	"naru.dev/naru/cmd/configureaws"
	"naru.dev/naru/cmd/connector"
	"naru.dev/naru/cmd/controller"
	"naru.dev/naru/cmd/create"
	"naru.dev/naru/cmd/daemon"
	deletecmd "naru.dev/naru/cmd/delete"
	"naru.dev/naru/cmd/deregister"
	"naru.dev/naru/cmd/describe"
	"naru.dev/naru/cmd/down"
	"naru.dev/naru/cmd/etcd"
	"naru.dev/naru/cmd/evaluate"
	"naru.dev/naru/cmd/get"
	"naru.dev/naru/cmd/image"
	"naru.dev/naru/cmd/karpenter"
	"naru.dev/naru/cmd/kubeconfig"
	"naru.dev/naru/cmd/logs"
	"naru.dev/naru/cmd/node"
	"naru.dev/naru/cmd/register"
	"naru.dev/naru/cmd/release"
	"naru.dev/naru/cmd/scale"
	servercmd "naru.dev/naru/cmd/server"
	"naru.dev/naru/cmd/status"
	"naru.dev/naru/cmd/token"
	"naru.dev/naru/cmd/up"
	"naru.dev/naru/cmd/verify"
	versioncmd "naru.dev/naru/cmd/version"
	"naru.dev/naru/cmd/whoami"
	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/explain"
)

// version of this naru. Everything else that has a version says it itself.
const version = "0.1.0"

// Execute runs the command line of this process and returns its exit code.
func Execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	err := NewRootCommand().ExecuteContext(ctx)
	text, code := tell(err)
	if code == exitcode.Failed && ctx.Err() != nil {
		text, code = "interrupted", exitcode.Interrupted
	}
	if text != "" {
		fmt.Fprintf(os.Stderr, "naru: %s\n", text)
	}
	return code
}

// NewRootCommand builds the tree of commands. It reads nothing and starts nothing.
func NewRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "naru",
		Short:         "Managed Kubernetes on your own machines",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		// Cobra's default for SuggestionsFor is applied by its own unknown-command error only.
		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nRun '%s --help' for the flags it has", err, c.CommandPath())}
	})
	root.AddCommand(
		api.New(),
		apply.New(),
		configureaws.New(),
		create.New(),
		deletecmd.New(),
		deregister.New(),
		describe.New(),
		evaluate.New(version),
		get.New(),
		image.New(),
		kubeconfig.New(),
		logs.New(),
		register.New(),
		scale.New(),
		status.New(),
		token.New(),
		verify.New(),
		versioncmd.New(version),
		whoami.New(),
		agent.NewAgentCommand(),
		authenticator.New(),
		connector.New(),
		release.NewReleaseCommand(),
		controller.NewControllerCommand(),
		daemon.New(),
		down.New(),
		etcd.NewEtcdCommand(),
		karpenter.NewKarpenterCommand(),
		node.New(),
		servercmd.New(),
		up.New(),
	)
	refuse(root)
	return root
}

// tell is what to print for the error of a command line, and the exit code.
func tell(err error) (text string, code int) {
	var ran ranError
	if err != nil && !errors.As(err, &ran) {
		err = explain.Usage(err) // cobra's own: flags that are missing or exclude each other
	}
	return explain.Error(err)
}

// ranError marks what a command that was run returned, as opposed to what cobra says of flags.
type ranError struct{ error }

func (e ranError) Unwrap() error { return e.error }

// usageError is a command line that can't be.
type usageError struct{ error }

func (usageError) ExitCode() int   { return exitcode.Usage }
func (e usageError) Unwrap() error { return e.error }

// refuse makes every command below this one return usage errors for arguments that it
// does not take. Cobra's own are plain errors, and a command that only has subcommands
// takes anything and shows its help.
func refuse(command *cobra.Command) {
	if command.HasSubCommands() && !command.Runnable() {
		command.Args = cobra.ArbitraryArgs
		command.RunE = showHelp
	}
	if check := command.Args; check != nil {
		command.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w\nRun '%s --help' for what it takes", err, c.CommandPath())}
			}
			return nil
		}
	}
	if run := command.RunE; run != nil {
		command.RunE = func(c *cobra.Command, args []string) error {
			if err := run(c, args); err != nil {
				return ranError{err}
			}
			return nil
		}
	}
	for _, sub := range command.Commands() {
		refuse(sub)
	}
}

func showHelp(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	text := fmt.Sprintf("unknown command %q", c.CommandPath()+" "+args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %q?", c.CommandPath()+" "+likeliest(args[0], near))
	}
	return usageError{fmt.Errorf("%s\nRun '%s --help' for the commands it has", text, c.CommandPath())}
}

// likeliest is the one that begins most as the word does: what is mistyped is seldom a word's beginning.
func likeliest(word string, near []string) string {
	common := func(name string) int {
		n := 0
		for n < min(len(name), len(word)) && name[n] == word[n] {
			n++
		}
		return n
	}
	return slices.MaxFunc(near, func(a, b string) int { return common(a) - common(b) })
}
