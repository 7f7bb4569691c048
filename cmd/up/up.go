// Package up is `naru up`.
package up

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/standalone"
	"naru.dev/naru/internal/standalone/layout"
)

// New returns the command.
func New() *cobra.Command {
	var options standalone.Options
	var stateDir string
	c := &cobra.Command{
		Use:   "up",
		Short: "Boot Naru on this machine, building what is missing",
		Long: `Builds what is missing, boots the embedded hosting cluster in namespaces of its own and installs
Naru into it. On a running Naru it changes nothing; after a crash it brings everything back.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			state, err := layout.FindState(stateDir)
			if err != nil {
				return err
			}
			options.State = state
			shown := progress.ForStderr()
			defer shown.Close()
			options.Progress = shown
			result, err := standalone.Up(c.Context(), options)
			if err != nil {
				return err
			}
			shown.Close()
			fmt.Fprintln(c.OutOrStdout(), summary(result))
			return nil
		},
	}
	c.Flags().IntVar(&options.Hosts, "hosts", 0, fmt.Sprintf("number of embedded hosts, 1 to %d (default: what there was, or 1)", layout.MaxHosts))
	c.Flags().DurationVar(&options.Timeout, "timeout", 5*time.Minute, "how long each part of the platform may take until it is ready; a slow machine needs more")
	c.Flags().StringVar(&stateDir, "state-dir", "", "where Naru keeps its state (default $NARU_STATE_DIR or "+layout.DefaultState+")")
	c.Flags().StringVar(&options.Source, "source", "", "Naru's source tree (default: where naru was built)")
	return c
}

func summary(r standalone.Result) string {
	hosts := "1 host"
	if r.Hosts > 1 {
		hosts = fmt.Sprintf("%d hosts", r.Hosts)
	}
	if !r.Changed {
		return "Naru is up on " + hosts + " already; nothing was changed."
	}
	return "Naru is up on " + hosts + ". Next: naru create cluster demo"
}
