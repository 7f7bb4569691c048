// Package verify is `naru verify`.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/explain"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/verify"
)

// New returns the command.
func New() *cobra.Command {
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "verify [CLUSTER]",
		Short: "Check Naru and its clusters by using them",
		Long: `Checks, from outside, that each part of Naru answers, and in each cluster, or only in the one that is
named, that pods run, resolve names, reach each other across nodes, and write and read a volume,
that logs, exec and metrics work, and that certificates are not near their end. What it creates it
takes away again. Exit code 1 when a check fails.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return explain.Usagef("one cluster is wanted, %d were given", len(args))
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			session, err := flags.Open()
			if err != nil {
				return err
			}
			cluster := ""
			if len(args) == 1 {
				cluster = args[0]
			}
			ctx, cancel := context.WithTimeout(command.Context(), timeout)
			defer cancel()
			p := progress.ForStderr()
			defer p.Close()
			v := &verify.Verifier{Platform: session.Platform, Backend: session.Backend, Progress: p, Now: time.Now}
			results, err := v.Run(ctx, cluster)
			p.Close()
			if len(results) > 0 {
				if err := print(command.OutOrStdout(), results); err != nil {
					return err
				}
			}
			return errors.Join(err, judge(results))
		},
		ValidArgsFunction: flags.Clusters,
	}
	command.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long all checks may take at most")
	return command
}

func print(w io.Writer, results []verify.Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "WHERE\tCHECK\tRESULT\tTIME\tREASON")
	for _, r := range results {
		outcome, took, reason := "ok", progress.Duration(r.Took), r.Note
		switch {
		case r.Skipped:
			outcome, took = "skipped", "-"
		case r.Err != nil:
			outcome, reason = "FAILED", strings.Join(strings.Fields(r.Err.Error()), " ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Scope, r.Name, outcome, took, reason)
	}
	return table.Flush()
}

func judge(results []verify.Result) error {
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return failedError{failed: failed, of: len(results)}
}

type failedError struct{ failed, of int }

func (e failedError) Error() string {
	return fmt.Sprintf(`%d of %d checks failed: look closer with "naru status", "naru describe cluster" and "naru logs"`, e.failed, e.of)
}

// ExitCode implements the convention of package exitcode.
func (failedError) ExitCode() int { return exitcode.Failed }
