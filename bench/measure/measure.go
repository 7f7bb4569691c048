// Package measure prints what benchmarks have measured, each figure beside its limit or its floor.
package measure

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
)

// Figure is one measured value.
type Figure struct {
	Name string
	// Value as text, and its size for comparing, in Limit's unit.
	Text  string
	Value float64
	// Limit is the most that Value should be; 0: reported only.
	Limit float64
	// LimitText says the limit, as "1.5 GiB" or "4.0 x the floor".
	LimitText string
}

// Seconds is a duration in seconds with a limit in seconds.
func Seconds(name string, value, limit float64) Figure {
	return Figure{Name: name, Text: fmt.Sprintf("%.1f s", value), Value: value, Limit: limit, LimitText: fmt.Sprintf("%.1f s", limit)}
}

// Ratio compares a duration with its floor.
func Ratio(name string, value, floor, limit float64) Figure {
	return Figure{Name: name, Text: fmt.Sprintf("%.1f s = %.2f x the floor", value, value/floor), Value: value / floor,
		Limit: limit, LimitText: fmt.Sprintf("%.1f x the floor", limit)}
}

// verdict compares; it is empty where there is no limit.
func (f Figure) verdict() string {
	switch {
	case f.Limit == 0:
		return ""
	case f.Value <= f.Limit:
		return fmt.Sprintf("within %s (%.0f %%)", f.LimitText, 100*f.Value/f.Limit)
	default:
		return fmt.Sprintf("OVER %s (%.0f %%)", f.LimitText, 100*f.Value/f.Limit)
	}
}

// Print writes figures as a table.
func Print(w io.Writer, title string, figures []Figure) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\n", title)
	for _, f := range figures {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", f.Name, f.Text, f.verdict())
	}
	return table.Flush()
}

// Main runs a benchmark until it ends or is interrupted, so that what it made is taken away in
// either case, and ends the process with exit code 1 when it could not measure. A figure over
// its limit is printed, not an error: limits hold on an idle machine with two cores.
func Main(run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "benchmark: %v\n", err)
		os.Exit(1)
	}
}
