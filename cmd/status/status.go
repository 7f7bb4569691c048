// Package status is `naru status`.
package status

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/internal/status"
)

// New returns the command.
func New() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "status",
		Short: "Tell how Naru is on this machine: daemon, hosts, registry, controller, clusters",
		Long: `Asks every part of Naru on this machine how it is. Exit code 1 when a part is not well, 4 when Naru
does not run.`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			format, err := flags.Format(output)
			if err != nil {
				return err
			}
			state, err := layout.FindState("")
			if err != nil {
				return err
			}
			rows, err := status.Observe(command.Context(), state)
			if err != nil {
				return err
			}
			if err := print(command.OutOrStdout(), format, rows); err != nil {
				return err
			}
			return judge(rows)
		},
	}
	flags.Output(command, &output, string(printer.Table), string(printer.Table), string(printer.JSON))
	return command
}

func print(w io.Writer, format printer.Format, rows []status.Row) error {
	if format == printer.JSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "    ")
		return encoder.Encode(rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PART\tNAME\tOK\tDETAIL")
	for _, row := range rows {
		ok := "yes"
		if !row.OK {
			ok = "no"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", row.Part, row.Name, ok, row.Detail)
	}
	return table.Flush()
}

func judge(rows []status.Row) error {
	bad := 0
	for _, row := range rows {
		if !row.OK {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return unwellError(bad)
}

// unwellError is how many parts are not well.
type unwellError int

func (e unwellError) Error() string {
	if e == 1 {
		return `1 part is not well: look at "naru logs controller", "naru logs daemon" or "naru describe cluster"`
	}
	return fmt.Sprintf(`%d parts are not well: look at "naru logs controller", "naru logs daemon" or "naru describe cluster"`, int(e))
}

// ExitCode implements the convention of package exitcode.
func (unwellError) ExitCode() int { return exitcode.Failed }
