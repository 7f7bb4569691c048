// Package image is `naru image`.
package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "image",
		Short: "Push images into Naru's registry, or list those in it",
	}, newPush(), newList())
}

func open() (*registry.Registry, error) {
	state, err := layout.FindState("")
	if err != nil {
		return nil, err
	}
	return registry.Open(state)
}

func newPush() *cobra.Command {
	var as string
	command := &cobra.Command{
		Use:   "push FILE",
		Short: "Push an OCI or Docker archive, or a folder with an OCI layout",
		Long: `Pushes an image into the registry that every node of every cluster pulls from, and prints the
reference to use in manifests.`,
		Example: `  docker save -o hello.tar hello:1; naru image push hello.tar
  naru image push ./hello.tar --as team/hello:2`,
		Args: flags.OneName("file"),
		RunE: func(command *cobra.Command, args []string) error {
			archive, err := registry.OpenArchive(args[0], layout.RegistryHost, as)
			if err != nil {
				return err
			}
			defer archive.Close()
			to, err := open()
			if err != nil {
				return err
			}
			references, err := push(command.Context(), to, archive, filepath.Base(args[0]))
			for _, reference := range references {
				fmt.Fprintln(command.OutOrStdout(), reference)
			}
			return err
		},
	}
	command.Flags().StringVar(&as, "as", "", "name and tag in the registry, as team/hello:2 (default: those in the archive)")
	return command
}

func push(ctx context.Context, to *registry.Registry, archive *registry.Archive, name string) ([]string, error) {
	p := progress.ForStderr()
	defer p.Close()
	step := p.Step("pushing " + name)
	updates := make(chan registry.Update)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for update := range updates {
			step.Detail(fmt.Sprintf("%d of %d MB", update.Sent>>20, update.Total>>20))
		}
	}()
	references, err := to.Push(ctx, archive, updates)
	close(updates)
	<-done
	step.End("", err)
	return references, err
}

func newList() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the images in Naru's registry",
		Args:    flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			format, err := flags.Format(output)
			if err != nil {
				return err
			}
			from, err := open()
			if err != nil {
				return err
			}
			entries, err := from.List(command.Context())
			if err != nil {
				return err
			}
			return list(command.OutOrStdout(), format, entries)
		},
	}
	flags.Output(command, &output, string(printer.Table), string(printer.Table), string(printer.JSON), string(printer.Name))
	return command
}

func list(w io.Writer, format printer.Format, entries []registry.Entry) error {
	switch format {
	case printer.JSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "    ")
		return encoder.Encode(entries)
	case printer.Name:
		for _, entry := range entries {
			fmt.Fprintln(w, entry.Reference)
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "IMAGE\tDIGEST\tSIZE")
	for _, entry := range entries {
		fmt.Fprintf(table, "%s\t%.19s\t%.1f MB\n", entry.Reference, entry.Digest, float64(entry.Size)/(1<<20))
	}
	return table.Flush()
}
