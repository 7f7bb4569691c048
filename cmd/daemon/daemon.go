// Package daemon is `naru daemon`, what `naru up` leaves running, and the
// commands that its hosts begin with.
package daemon

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/standalone/bootstrap"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/hostinit"
	"naru.dev/naru/internal/standalone/layout"
)

// New returns the command. It is not for users: `naru up` starts it.
func New() *cobra.Command {
	var stateDir string
	c := &cobra.Command{
		Use:    "daemon",
		Short:  "Hold the embedded hosting cluster",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			state, err := layout.FindState(stateDir)
			if err != nil {
				return err
			}
			return daemon.Run(c.Context(), state, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	c.Flags().StringVar(&stateDir, "state-dir", "", "where the platform keeps its state")
	c.AddCommand(hostInit(), hostBootstrap())
	return c
}

func hostInit() *cobra.Command {
	var spec string
	c := &cobra.Command{
		Use:   "host-init",
		Short: "Become an embedded host",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return hostinit.Run(spec) },
	}
	c.Flags().StringVar(&spec, "spec", "", "the host")
	return c
}

func hostBootstrap() *cobra.Command {
	return &cobra.Command{
		Use:   "bootstrap",
		Short: "Make this embedded host part of the hosting cluster",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return bootstrap.Run(c.Context()) },
	}
}
