// Package image is `naru image`.
package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/eks/ecr"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/printer"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

// New returns the command.
func New() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "image",
		Short: "Push images into Naru's registry, list those in it, or delete them",
	}, newPush(), newList(), newDelete())
}

func open() (*registry.Registry, error) {
	state, err := layout.FindState("")
	if err != nil {
		return nil, err
	}
	return registry.Open(state)
}

// own are the names that only Naru itself writes to.
func own(ctx context.Context) (registry.Own, error) {
	session, err := flags.Open()
	if err != nil {
		return nil, err
	}
	var releases v1alpha1.ReleaseList
	if err := session.Client.List(ctx, &releases); err != nil {
		return nil, fmt.Errorf("listing releases, whose images are Naru's own: %w", err)
	}
	return registry.OwnOf(releases.Items), nil
}

// rules are what a push must keep to.
func rules(ctx context.Context) (registry.Rules, error) {
	session, err := flags.Open()
	if err != nil {
		return registry.Rules{}, err
	}
	own, err := own(ctx)
	if err != nil {
		return registry.Rules{}, err
	}
	fixed, err := ecr.Records{Client: session.Client}.Immutable(ctx)
	return registry.Rules{Own: own, Fixed: fixed}, err
}

func newPush() *cobra.Command {
	var as string
	command := &cobra.Command{
		Use:   "push FILE",
		Short: "Push an OCI or Docker archive, or a folder with an OCI layout",
		Long: `Pushes an image into the registry that every node of every cluster pulls from, and prints the
reference to use in manifests. The names of the images that Naru itself and its clusters are made of can't be
pushed to; nor does a tag move in a repository of ECR whose tags are immutable.`,
		Example: `  docker save -o shop.tar shop:1; naru image push shop.tar
  naru image push ./shop.tar --as team/shop:2`,
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
			rules, err := rules(command.Context())
			if err != nil {
				return err
			}
			references, err := push(command.Context(), to, archive, rules, filepath.Base(args[0]))
			for _, reference := range references {
				fmt.Fprintln(command.OutOrStdout(), reference)
			}
			return err
		},
	}
	command.Flags().StringVar(&as, "as", "", "name and tag in the registry, as team/shop:2 (default: those in the archive)")
	return command
}

func push(ctx context.Context, to *registry.Registry, archive *registry.Archive, rules registry.Rules, name string) ([]string, error) {
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
	references, err := to.Push(ctx, archive, rules, updates)
	close(updates)
	<-done
	step.End("", err)
	return references, err
}

func newDelete() *cobra.Command {
	command := &cobra.Command{
		Use:   "delete NAME:TAG",
		Short: "Delete an image from Naru's registry",
		Long: `Deletes a tag and, with the last one of its image, the image. Pods that run it go on, and nodes keep what they
have pulled; elsewhere it can't be pulled any more. The names of the images that Naru itself and its clusters are made
of can't be deleted.`,
		Example: `  naru image delete team/shop:2`,
		Args:    flags.OneName("image"),
		RunE: func(command *cobra.Command, args []string) error {
			reference, err := registry.Local(layout.RegistryHost, args[0])
			if err != nil {
				return explain.Usage(err)
			}
			from, err := open()
			if err != nil {
				return err
			}
			own, err := own(command.Context())
			if err != nil {
				return err
			}
			if err := from.Delete(command.Context(), reference, own); err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "image %s is deleted\n", reference)
			return nil
		},
	}
	command.ValidArgsFunction = completeImages
	return command
}

// completeImages completes the images that there are; an error completes to nothing.
func completeImages(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	from, err := open()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	entries, err := from.List(command.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimPrefix(entry.Reference, layout.RegistryHost+"/"))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
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
	default:
		return tabulate(w, entries)
	}
}

func tabulate(w io.Writer, entries []registry.Entry) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "IMAGE\tDIGEST\tSIZE")
	for _, entry := range entries {
		fmt.Fprintf(table, "%s\t%.19s\t%.1f MB\n", entry.Reference, entry.Digest, float64(entry.Size)/(1<<20))
	}
	return table.Flush()
}
