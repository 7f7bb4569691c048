// Package flags holds what several subcommands have in common: flags, completion, and the
// connection that they open.
package flags

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/printer"
)

// Session is a connection to the hosting cluster.
type Session struct {
	*platform.Platform
	*backend.Backend
}

// Open connects to the hosting cluster.
func Open() (Session, error) {
	p, err := platform.Open()
	if err != nil {
		return Session{}, err
	}
	return Session{Platform: p, Backend: backend.New(p.Client)}, nil
}

// Wait says whether, and how long, a command waits for what it has asked for.
type Wait struct {
	wait, noWait bool
	// Timeout bounds the whole command.
	Timeout time.Duration
}

// Register adds --wait, --no-wait and --timeout.
func (w *Wait) Register(command *cobra.Command, wait bool, timeout time.Duration) {
	set := command.Flags()
	set.BoolVar(&w.wait, "wait", wait, "wait until it is done")
	set.BoolVar(&w.noWait, "no-wait", false, "return as soon as it is asked for")
	set.DurationVar(&w.Timeout, "timeout", timeout, "how long to wait at most; exit code 3 when it was not enough")
	command.MarkFlagsMutuallyExclusive("wait", "no-wait")
}

// Wanted tells whether to wait.
func (w *Wait) Wanted() bool { return w.wait && !w.noWait }

// Context returns a context that ends after the timeout.
func (w *Wait) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, w.Timeout)
}

// Cluster adds the required flag --cluster.
func Cluster(command *cobra.Command, value *string) {
	OptionalCluster(command, value, "the cluster that it belongs to")
	cobra.CheckErr(command.MarkFlagRequired("cluster"))
}

// OptionalCluster adds the flag --cluster.
func OptionalCluster(command *cobra.Command, value *string, usage string) {
	command.Flags().StringVarP(value, "cluster", "c", "", usage)
	cobra.CheckErr(command.RegisterFlagCompletionFunc("cluster", Clusters))
}

// Output adds the flag -o for a choice of formats.
func Output(command *cobra.Command, value *string, standard string, choice ...string) {
	usage := "how to print: " + join(choice)
	command.Flags().StringVarP(value, "output", "o", standard, usage)
	cobra.CheckErr(command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(choice, cobra.ShellCompDirectiveNoFileComp)))
}

// Format reads the value of -o.
func Format(value string) (printer.Format, error) {
	format, err := printer.ParseFormat(value)
	if err != nil {
		return "", explain.Usage(err)
	}
	return format, nil
}

// Replicas adds --control-plane-replicas, which may be written --replicas too.
func Replicas(command *cobra.Command, value *int32, standard int32) {
	set := command.Flags()
	set.Int32Var(value, "control-plane-replicas", standard, "3 etcd members and API servers survive the loss of one, 1 is the small form")
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "replicas" {
			name = "control-plane-replicas"
		}
		return pflag.NormalizedName(name)
	})
	cobra.CheckErr(command.RegisterFlagCompletionFunc("control-plane-replicas", cobra.FixedCompletions([]string{"1", "3"}, cobra.ShellCompDirectiveNoFileComp)))
}

// Tier adds --tier, how much a control plane can do.
func Tier(command *cobra.Command, value *string, standard string) {
	command.Flags().StringVar(value, "tier", standard, "how much the control plane can do: standard, or tier-xl, tier-2xl, tier-4xl, tier-8xl, which need 3 replicas and room")
	cobra.CheckErr(command.RegisterFlagCompletionFunc("tier", cobra.FixedCompletions(backend.TierNames(), cobra.ShellCompDirectiveNoFileComp)))
}

// Group wraps subcommands that are called by a verb: without one it is an error that names them.
func Group(command *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	command.AddCommand(subcommands...)
	names := make([]string, 0, len(subcommands))
	for _, subcommand := range subcommands {
		names = append(names, subcommand.Name())
	}
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(args) > 0 {
			return explain.Usagef("%q is nothing to %s: choose one of %s", args[0], command.Name(), join(names))
		}
		return explain.Usagef("say what to %s: %s\nRun '%s --help' for more", command.Name(), join(names), command.CommandPath())
	}
	return command
}

// OneName is an argument check: exactly one argument, called what.
func OneName(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return explain.Usagef("the name of the %s is missing: %s", what, command.UseLine())
		}
		return explain.Usagef("one name is wanted, %d were given: %s", len(args), command.UseLine())
	}
}

// NoArgs is an argument check: none.
func NoArgs(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return explain.Usagef("%q is one argument too many: %s", args[0], command.UseLine())
	}
	return nil
}

func join(words []string) string {
	text := ""
	for i, word := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += word
	}
	return text
}
