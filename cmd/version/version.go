// Package version is `naru version`.
package version

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/release"
)

type answer struct {
	Version           string `json:"version"`
	Revision          string `json:"revision,omitempty"`
	Go                string `json:"go"`
	Platform          string `json:"platform"`
	DefaultKubernetes string `json:"defaultKubernetes"`
}

// New returns the command; version is this naru's.
func New(version string) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this naru",
		Args:  flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			format, err := flags.Format(output)
			if err != nil {
				return err
			}
			a := answer{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, DefaultKubernetes: release.DefaultMinor}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" {
						a.Revision = setting.Value
					}
				}
			}
			if format == printer.JSON {
				encoder := json.NewEncoder(command.OutOrStdout())
				encoder.SetIndent("", "    ")
				return encoder.Encode(a)
			}
			fmt.Fprintf(command.OutOrStdout(), "naru %s (%s, %s), Kubernetes %s by default\n", a.Version, a.Go, a.Platform, a.DefaultKubernetes)
			return nil
		},
	}
	flags.Output(command, &output, string(printer.Table), string(printer.Table), string(printer.JSON))
	return command
}
