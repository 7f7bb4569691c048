// Package release is `naru release`: the Kubernetes releases that this Naru can build.
package release

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone"
	"naru.dev/naru/internal/standalone/layout"
)

// NewReleaseCommand returns `naru release`.
func NewReleaseCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "release",
		Short: "List and build the Kubernetes releases that clusters can run",
	}
	command.AddCommand(newListCommand(), newBuildCommand())
	return command
}

func newListCommand() *cobra.Command {
	var source string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the Kubernetes versions whose sources are pinned",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			root, err := release.FindSource(source)
			if err != nil {
				return err
			}
			return list(command.OutOrStdout(), root)
		},
	}
	command.Flags().StringVar(&source, "source", "", "root of Naru's source tree (default: $NARU_SOURCE, else found from here)")
	return command
}

func list(w io.Writer, source string) error {
	tree := os.DirFS(source)
	minors, err := release.Minors(tree)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "MINOR\tVERSION\tDEFAULT")
	for _, minor := range minors {
		version, err := release.KubernetesVersion(tree, minor)
		if err != nil {
			return err
		}
		mark := ""
		if minor == release.DefaultMinor {
			mark = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", minor, version, mark)
	}
	return table.Flush()
}

func newBuildCommand() *cobra.Command {
	var options release.Options
	command := &cobra.Command{
		Use:   "build [minor]",
		Short: "Build what is missing of a release: programs, node OS and images",
		Long: `Builds what is missing of a release: programs, node OS and images. Where Naru runs on this machine, clusters can
have the version afterwards. What was built is kept, so that an interrupted build goes on where it was.`,
		Example: `  naru release build         # the default version
  naru release build 1.36`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 1 {
				options.Kubernetes = args[0]
			}
			shown := progress.ForStderr()
			options.Progress = shown
			built, registered, err := build(command.Context(), options)
			shown.Close()
			if err != nil {
				return err
			}
			if err := summary(command.OutOrStdout(), built); err != nil || !registered {
				return err
			}
			fmt.Fprintf(command.ErrOrStderr(), "Clusters can have it: naru create cluster NAME --version %s\n", built.Minor)
			return nil
		},
	}
	command.Flags().StringVar(&options.Source, "source", "", "root of Naru's source tree (default: $NARU_SOURCE, else found from here)")
	command.Flags().StringVar(&options.Cache, "cache", "", "where everything built is kept (default: $NARU_CACHE_DIR, else naru in the user's cache folder)")
	return command
}

// build gives a release other than the default one, which is 'naru up's to install, to a running platform.
func build(ctx context.Context, options release.Options) (built *release.Built, registered bool, err error) {
	if built, err = release.Build(ctx, options); err != nil || built.Minor == release.DefaultMinor {
		return built, false, err
	}
	state, err := layout.FindState("")
	if err != nil {
		return nil, false, err
	}
	registered, err = standalone.Register(ctx, state, built, options.Progress)
	return built, registered, err
}

func summary(w io.Writer, built *release.Built) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "IMAGE\tDIGEST\tSIZE")
	for _, image := range built.Images {
		fmt.Fprintf(table, "%s\t%s\t%d MB\n", image.Ref, image.Digest, image.Size>>20)
	}
	return table.Flush()
}
