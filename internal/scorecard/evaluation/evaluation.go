// Package evaluation runs the scorecard: it finds what is evaluated, lets the checks work, shows how far they are, and
// takes away what they have made.
package evaluation

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/scorecard"
	"naru.dev/naru/internal/scorecard/checks"
)

// Options say what is evaluated, and how.
type Options struct {
	// Rows and Categories select rows; all when both are empty.
	Rows, Categories []string
	// Cluster names a cluster of Naru's to work in, instead of one that is made for it. Kubeconfig is that of any
	// cluster, which makes Naru's own side unknown.
	Cluster, Kubeconfig string
	// Image is the application's, ShellImage one with busybox's programs; empty: the platform's own.
	Image, ShellImage string
	// Keep leaves clusters and namespaces.
	Keep bool
	// Resume goes on with a run that was interrupted.
	Resume bool
	// State is the file of the run.
	State string
	// Allow is asked before rows that kill something. An error ends the run before it begins.
	Allow func(ctx context.Context, rows []scorecard.Row) (bool, error)
	// Progress shows what runs.
	Progress *progress.Progress
	// Binary is naru's own path, Version and Commit what it is.
	Binary, Version, Commit string
	Now                     func() time.Time
}

// How many rows run side by side: they wait for most of their time, but pods and requests take processors, too.
const workers = 4

const (
	prepareLimit = 10 * time.Minute
	patience     = 15 * time.Second
)

// Run evaluates. Errors: *UsageError, *ImageError, *UnreachableError, *RightsError, *InterruptedError, and those of package platform.
func Run(ctx context.Context, o Options) (*scorecard.Report, error) {
	rows, err := scorecard.Select(o.Rows, o.Categories)
	if err != nil {
		return nil, &UsageError{err}
	}
	if o.Cluster != "" && o.Kubeconfig != "" {
		return nil, &UsageError{errors.New("--cluster and --kubeconfig can't be both: the one is a cluster of Naru's, the other any")}
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	all := checks.All(s.lab)
	allowed, err := allow(ctx, o, rows, all, s.lab.Platform != nil)
	if err != nil {
		return nil, err
	}
	state, err := scorecard.OpenState(o.State)
	if err != nil {
		return nil, err
	}
	s.lab.Keeper = state
	began := o.Now()
	var done []scorecard.Result
	if o.Resume {
		if done, began, err = state.Resume(s.subject); err != nil {
			return nil, &UsageError{err}
		}
	} else if err := state.Begin(s.subject, began); err != nil {
		return nil, err
	}
	if err := s.sweep(ctx, o.Progress, state); err != nil {
		return nil, err
	}
	if err := s.preflight(ctx, o, rows, all); err != nil {
		return nil, errors.Join(&ImageError{err}, s.close(ctx, o, state), state.End())
	}
	results, err := s.runner(o, all, allowed, state).Run(ctx, rows, done)
	left := s.close(ctx, o, state)
	if ctx.Err() != nil {
		return nil, &InterruptedError{Answered: len(results), Of: len(rows), Left: left}
	}
	err = errors.Join(err, left)
	report := &scorecard.Report{
		Version: scorecard.Version, Target: s.target(), Began: began.UTC().Truncate(time.Second), Ended: o.Now().UTC().Truncate(time.Second),
		Naru: o.Version, Commit: o.Commit, Machine: fmt.Sprintf("%s, %d CPUs", runtime.GOARCH, runtime.NumCPU()), Results: results,
	}
	return report, errors.Join(err, state.End())
}

// allow asks once for all disruptive rows; without any it does not ask.
func allow(ctx context.Context, o Options, rows []scorecard.Row, all []scorecard.Check, platform bool) (bool, error) {
	var disruptive []scorecard.Row
	for _, row := range rows {
		if slices.ContainsFunc(all, func(c scorecard.Check) bool {
			return c.Row == row.ID && c.Disruptive && (platform || c.Needs != scorecard.PlatformAPI)
		}) {
			disruptive = append(disruptive, row)
		}
	}
	if len(disruptive) == 0 {
		return false, nil
	}
	return o.Allow(ctx, disruptive)
}

// session is one run's connection to what it evaluates.
type session struct {
	lab     *checks.Lab
	subject string
	name    string
}

func (s *session) runner(o Options, all []scorecard.Check, allowed bool, state *scorecard.State) *scorecard.Runner {
	return &scorecard.Runner{
		Checks: all, Workers: workers, HasPlatform: s.lab.Platform != nil, Disruptive: allowed,
		PrepareLimit: prepareLimit, Patience: patience, Now: o.Now, Save: state.Keep,
		Begin: func(row scorecard.Row) func(scorecard.Result) {
			step := o.Progress.Step(row.ID + " " + row.Name.EN)
			return func(result scorecard.Result) {
				var err error
				switch {
				case result.Error == scorecard.Interrupted:
					err = errors.New(result.Error)
				case result.Status == scorecard.Failed:
					err = fmt.Errorf("%g / %d: %s", result.Points, result.Weight, result.Error)
				}
				step.End(fmt.Sprintf("%g / %d", result.Points, result.Weight), err)
			}
		},
	}
}

// sweep takes away what an earlier run has left that could not do so itself.
func (s *session) sweep(ctx context.Context, p *progress.Progress, state *scorecard.State) error {
	leftovers := state.Leftovers()
	if len(leftovers) == 0 {
		return nil
	}
	step := p.Step("taking away what an earlier run has left")
	err := s.lab.Sweep(ctx, leftovers)
	step.End("", err)
	return err
}

// preflight tries the images in a cluster that may not get them: Naru's own have them.
func (s *session) preflight(ctx context.Context, o Options, rows []scorecard.Row, all []scorecard.Check) error {
	if s.lab.Platform != nil || !slices.ContainsFunc(rows, func(row scorecard.Row) bool {
		return slices.ContainsFunc(all, func(c scorecard.Check) bool { return c.Row == row.ID && c.Needs == scorecard.Kubernetes })
	}) {
		return nil
	}
	step := o.Progress.Step("trying the images that rows use")
	err := s.lab.Images(ctx)
	step.End("", err)
	return err
}

func (s *session) close(ctx context.Context, o Options, state *scorecard.State) error {
	if o.Keep {
		return s.keep(o, state)
	}
	step := o.Progress.Step("taking away what was made")
	err := s.lab.Close(ctx)
	step.End("", err)
	return err
}

// keep leaves everything to the user, and names it: the next run takes nothing of it away.
func (s *session) keep(o Options, state *scorecard.State) error {
	var failures []error
	for _, left := range state.Leftovers() {
		o.Progress.Step("kept: "+left.String()).End("", nil)
		failures = append(failures, state.Cleared(left))
	}
	return errors.Join(failures...)
}

// target describes what was evaluated; what can't be known any more is left out.
func (s *session) target() scorecard.Target {
	t := scorecard.Target{Name: s.name}
	t.Cluster, t.Kubernetes = s.lab.Described()
	return t
}

// UsageError is a command line that can't be.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*UsageError) ExitCode() int { return exitcode.Usage }

// ImageError is an image that the cluster does not get.
type ImageError struct{ Err error }

func (e *ImageError) Error() string { return e.Err.Error() }
func (e *ImageError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*ImageError) ExitCode() int { return exitcode.Usage }

// UnreachableError says that a cluster does not answer.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the cluster at %s does not answer: %v; look whether the kubeconfig names the right server, and whether it runs", e.Server, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// ExitCode implements the convention of package exitcode.
func (*UnreachableError) ExitCode() int { return exitcode.Failed }

// RightsError says what the kubeconfig's user may not do, and has to.
type RightsError struct {
	Server  string
	Missing []string
}

func (e *RightsError) Error() string {
	return fmt.Sprintf("the kubeconfig's user may not %s at %s: use one that may, as the administrator's", strings.Join(e.Missing, ", "), e.Server)
}

// ExitCode implements the convention of package exitcode.
func (*RightsError) ExitCode() int { return exitcode.Failed }

// InterruptedError is a run that Ctrl-C has ended.
type InterruptedError struct {
	Answered, Of int
	// Left is why not all that was made is taken away; nil when it is.
	Left error
}

func (e *InterruptedError) Error() string {
	text := fmt.Sprintf("interrupted: %d of %d rows are answered; go on with the same command and --resume", e.Answered, e.Of)
	if e.Left != nil {
		text += fmt.Sprintf("\nNot all that was made is taken away, which the next run tries again: %v", e.Left)
	}
	return text
}

func (e *InterruptedError) Unwrap() error { return e.Left }

// ExitCode implements the convention of package exitcode.
func (*InterruptedError) ExitCode() int { return exitcode.Interrupted }
