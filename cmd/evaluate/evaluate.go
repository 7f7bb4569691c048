// Package evaluate is `naru evaluate`.
package evaluate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/scorecard"
	"naru.dev/naru/internal/scorecard/evaluation"
	"naru.dev/naru/internal/scorecard/render"
)

type options struct {
	evaluation.Options
	language, output string
	from, readme     string
	compare, yes     bool
}

// New returns the command. version is this naru's.
func New(version string) *cobra.Command {
	o := options{Options: evaluation.Options{Version: version, Now: time.Now}}
	command := &cobra.Command{
		Use:   "evaluate [--rows ROWS | --category CATEGORIES] [--cluster CLUSTER | --kubeconfig FILE]",
		Short: "Evaluate the platform, row by row, by using it",
		Long: `Tries what a container platform is asked in 83 rows of a table, 100 points for the platform and 100 for
applications, and prints the points with what was seen. Nothing counts that was not seen in this run;
what is not built yet scores 0 and says so.

It works in clusters and namespaces of its own, which it takes away at the end and after Ctrl-C. Rows
that kill pods and machines run last and ask before. With --kubeconfig any Kubernetes cluster is
evaluated: its application rows and those of the platform's that a kubeconfig can prove.`,
		Example: `  naru evaluate --yes -o html > score.html
  naru evaluate --rows A04,A13 --cluster prod
  naru evaluate --kubeconfig other.kubeconfig --image example.com/hello:1 -o json > other.json
  naru evaluate --from score.json --lang ko -o xlsx > score.xlsx
  naru evaluate --compare naru.json other.json`,
		Args: o.args,
		RunE: o.run,
	}
	set := command.Flags()
	set.StringSliceVar(&o.Rows, "rows", nil, "only these rows, as P12,A05")
	set.StringSliceVar(&o.Categories, "category", nil, "only these categories, as upgrade,registry")
	flags.OptionalCluster(command, &o.Cluster, "work in this cluster, instead of one that is made for it")
	set.StringVar(&o.Kubeconfig, "kubeconfig", "", "evaluate the cluster of this kubeconfig, whoever runs it")
	set.StringVar(&o.Image, "image", "", "an image that serves as examples/hello does (default: the platform's)")
	set.StringVar(&o.ShellImage, "shell-image", "", "an image with busybox's programs (default: the platform's, with --kubeconfig busybox:1.36)")
	set.StringVar(&o.language, "lang", string(scorecard.English), "language of the report: en or ko")
	flags.Output(command, &o.output, string(render.Table), render.Formats...)
	set.BoolVar(&o.Keep, "keep", false, "leave clusters and namespaces as they are")
	set.BoolVar(&o.Resume, "resume", false, "go on with a run that was interrupted")
	set.StringVar(&o.State, "state", "", "file of the run (default: evaluate.json in the cache folder)")
	set.BoolVarP(&o.yes, "yes", "y", false, "do not ask before rows that kill pods and machines")
	set.StringVar(&o.from, "from", "", "print this report, which -o json has written, and evaluate nothing")
	set.BoolVar(&o.compare, "compare", false, "set two reports side by side and evaluate nothing")
	set.StringVar(&o.Commit, "commit", "", "the commit of this naru, for the report")
	set.StringVar(&o.readme, "readme", "", "write the score into this file, too, between its markers")
	cobra.CheckErr(errors.Join(set.MarkHidden("commit"), set.MarkHidden("readme")))
	command.MarkFlagsMutuallyExclusive("from", "compare", "resume")
	return command
}

func (o *options) args(command *cobra.Command, args []string) error {
	if !o.compare {
		return flags.NoArgs(command, args)
	}
	if len(args) != 2 {
		return explain.Usagef("--compare wants two reports, %d were given: naru evaluate --compare A.json B.json", len(args))
	}
	return nil
}

func (o *options) run(command *cobra.Command, args []string) error {
	format, err := render.ParseFormat(o.output)
	if err != nil {
		return explain.Usage(err)
	}
	language, err := scorecard.ParseLanguage(o.language)
	if err != nil {
		return explain.Usage(err)
	}
	out := command.OutOrStdout()
	if file, ok := out.(*os.File); ok && format == render.Workbook && term.IsTerminal(int(file.Fd())) {
		return explain.Usagef("-o xlsx writes a file: redirect it, as in naru evaluate -o xlsx > score.xlsx")
	}
	if o.compare {
		return compare(out, args, format, language)
	}
	report, err := o.report(command)
	if report != nil {
		err = errors.Join(err, render.Report(out, report, format, language), o.record(report))
	}
	return err
}

// report reads a report, or evaluates.
func (o *options) report(command *cobra.Command) (*scorecard.Report, error) {
	if o.from != "" {
		report, err := scorecard.ReadReport(o.from)
		return report, usage(err)
	}
	if o.State == "" {
		cache, err := release.FindCache("")
		if err != nil {
			return nil, err
		}
		o.State = filepath.Join(cache, "evaluate.json")
	}
	var err error
	if o.Binary, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding naru itself: %w", err)
	}
	o.Progress = progress.ForStderr()
	defer o.Progress.Close()
	o.Allow = func(ctx context.Context, rows []scorecard.Row) (bool, error) {
		if o.yes {
			return true, nil
		}
		return ask(ctx, command.InOrStdin(), command.ErrOrStderr(), rows)
	}
	return evaluation.Run(command.Context(), o.Options)
}

func (o *options) record(report *scorecard.Report) error {
	if o.readme == "" {
		return nil
	}
	data, err := os.ReadFile(o.readme)
	if err != nil {
		return fmt.Errorf("reading what the score is written into: %w", err)
	}
	text, err := render.Readme(string(data), report)
	if err != nil {
		return fmt.Errorf("writing the score into %s: %w", o.readme, err)
	}
	if err := os.WriteFile(o.readme, []byte(text), 0o644); err != nil { //nolint:gosec // it is a document
		return fmt.Errorf("writing the score: %w", err)
	}
	return nil
}

func compare(out io.Writer, paths []string, format render.Format, language scorecard.Language) error {
	var reports [2]*scorecard.Report
	for i, path := range paths {
		var err error
		if reports[i], err = scorecard.ReadReport(path); err != nil {
			return usage(err)
		}
	}
	return explainFormat(render.Comparison(out, reports, format, language))
}

// usage marks a file that can't be read as a report as an error of the command line.
func usage(err error) error {
	var form *scorecard.FormError
	if errors.As(err, &form) {
		return explain.Usage(err)
	}
	return err
}

func explainFormat(err error) error {
	if err == nil {
		return nil
	}
	return explain.Usage(err)
}

// ask asks once for all disruptive rows. Errors: a usage error where nobody can be asked; ctx's when it ends first.
func ask(ctx context.Context, in io.Reader, out io.Writer, rows []scorecard.Row) (bool, error) {
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	list := "row " + ids[0] + " kills"
	if len(ids) > 1 {
		list = "rows " + strings.Join(ids, ", ") + " kill"
	}
	if file, ok := in.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return false, explain.Usagef("%s pods and machines of the cluster that is evaluated: say --yes, as there is no terminal to ask on, or choose others with --rows", list)
	}
	fmt.Fprintf(out, "%s pods and machines of the cluster that is evaluated. Run them, too? [y/N] ", strings.ToUpper(list[:1])+list[1:])
	typed := make(chan string, 1)
	go func() {
		// An error leaves what was typed before it, which is no yes.
		line, _ := bufio.NewReader(in).ReadString('\n')
		typed <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, ctx.Err()
	case answer := <-typed:
		return answer == "y" || answer == "yes", nil
	}
}
