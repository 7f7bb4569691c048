// Package checks tries the rows of the scorecard on a platform, through what its users have: the
// clusters' APIs, naru's command line, and the hosting cluster's kubeconfig. Each check observes, in a
// thin prober, and then judges what it has seen, in a pure function. What was not seen does not count.
package checks

import (
	"context"
	"fmt"
	"time"

	"naru.dev/naru/internal/scorecard"
)

// The time limits of checks. What has more to wait for has more time, and starts earlier.
const (
	short  = 2 * time.Minute
	medium = 4 * time.Minute
	long   = 6 * time.Minute
)

// All returns the checks that there are. Rows without one are not built.
func All(lab *Lab) []scorecard.Check {
	var all []scorecard.Check
	for _, category := range []func(*Lab) []scorecard.Check{
		install, faultTolerance, scaling, platformManagement, monitoring, logging,
		buildAndDeploy, registryRows, containers, traffic, routes, development, analysis, projects, security,
	} {
		all = append(all, category(lab)...)
	}
	return all
}

// trial is a check in its two halves. O is what is observed; its zero value is having seen nothing.
type trial[O any] struct {
	row        string
	needs      scorecard.Need
	limit      time.Duration
	disruptive bool
	alone      string
	prepare    func(ctx context.Context) error
	// observe writes what it sees into o as it goes: what was seen before an error counts.
	observe func(ctx context.Context, log *scorecard.Log, o *O) error
	// judge is pure.
	judge func(o O) []scorecard.Claim
}

func (t trial[O]) check() scorecard.Check {
	return scorecard.Check{
		Row: t.row, Needs: t.needs, Limit: t.limit, Disruptive: t.disruptive, Alone: t.alone, Prepare: t.prepare,
		Run: func(ctx context.Context, log *scorecard.Log) ([]scorecard.Claim, error) {
			var seen O
			err := t.observe(ctx, log, &seen)
			return t.judge(seen), err
		},
		Unseen: func() []scorecard.Claim {
			var nothing O
			return t.judge(nothing)
		},
	}
}

// inProject is a check that works in a namespace of its own in the cluster that rows share.
type inProject[O any] struct {
	row     string
	limit   time.Duration
	observe func(ctx context.Context, p *project, o *O) error
	judge   func(o O) []scorecard.Claim
}

func (t inProject[O]) check(lab *Lab) scorecard.Check {
	return trial[O]{
		row: t.row, limit: t.limit, judge: t.judge,
		prepare: func(ctx context.Context) error {
			_, err := lab.Main(ctx)
			return err
		},
		observe: func(ctx context.Context, log *scorecard.Log, o *O) error {
			p, err := lab.project(ctx, t.row, log)
			if err != nil {
				return err
			}
			defer p.leave()
			return t.observe(ctx, p, o)
		},
	}.check()
}

func text(en, ko string) scorecard.Text { return scorecard.Text{EN: en, KO: ko} }

// claim says what points are given for, whether it was seen, and what exactly was seen.
func claim(points float64, t scorecard.Text, held bool, why string, args ...any) scorecard.Claim {
	if len(args) > 0 {
		why = fmt.Sprintf(why, args...)
	}
	return scorecard.Claim{Points: points, Text: t, Held: held, Why: why}
}

// missing is a part of a row that the platform does not do, and that is not tried therefore.
func missing(points float64, t scorecard.Text) scorecard.Claim {
	return scorecard.Claim{Points: points, Text: t, Why: "not built"}
}

// pause between two tries of await.
const pause = 300 * time.Millisecond

// await tries until it succeeds. When limit or ctx ends before, the error says what was not seen, and why at last.
func await(ctx context.Context, what string, limit time.Duration, try func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	var last error
	for {
		err := try(limited)
		if err == nil {
			return nil
		}
		if last == nil || limited.Err() == nil {
			last = err // an error of the end of the time says less than the one before
		}
		select {
		case <-limited.Done():
			if cause := context.Cause(ctx); cause != nil {
				return fmt.Errorf("awaiting %s: %w (%w)", what, last, cause)
			}
			return fmt.Errorf("awaiting %s: not within %s: %w", what, time.Since(began).Round(100*time.Millisecond), last)
		case <-time.After(pause):
		}
	}
}

// settle waits, or returns ctx's error when it ends before. It is for checks that measure over a time.
func settle(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
