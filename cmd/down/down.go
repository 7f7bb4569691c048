// Package down is `naru down`.
package down

import (
	"fmt"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/standalone"
	"naru.dev/naru/internal/standalone/layout"
)

// New returns the command.
func New() *cobra.Command {
	var stateDir string
	var purge bool
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop Naru; clusters come back with their data on the next up",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			state, err := layout.FindState(stateDir)
			if err != nil {
				return err
			}
			shown := progress.ForStderr()
			defer shown.Close()
			result, err := standalone.Down(c.Context(), standalone.DownOptions{State: state, Purge: purge, Progress: shown})
			if err != nil {
				return err
			}
			shown.Close()
			fmt.Fprintln(c.OutOrStdout(), summary(result))
			return nil
		},
	}
	c.Flags().BoolVar(&purge, "purge", false, "delete all clusters and everything else that Naru keeps")
	c.Flags().StringVar(&stateDir, "state-dir", "", "where Naru keeps its state (default $NARU_STATE_DIR or "+layout.DefaultState+")")
	return c
}

func summary(r standalone.DownResult) string {
	switch {
	case r.Purged:
		return "Naru is down and everything that it kept is deleted."
	case r.Stopped:
		return `Naru is down; "naru up" brings everything back.`
	default:
		return "Naru was not running."
	}
}
