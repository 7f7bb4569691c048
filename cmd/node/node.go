// Package node is `naru node`, PID 1 of a node.
package node

import (
	"github.com/spf13/cobra"

	"naru.dev/naru/internal/node"
	"naru.dev/naru/internal/node/nodeconfig"
)

// New returns the command. It is not for users: naru itself starts it.
func New() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:    "node",
		Short:  "Run as PID 1 of a node",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return node.Run(c.Context(), config)
		},
	}
	c.Flags().StringVar(&config, "config", nodeconfig.Path, "the node's configuration")
	return c
}
