// Package loop runs one reconciliation again and again: soon after it was
// triggered, after a back-off when it failed, and now and then anyway.
package loop

import (
	"context"
	"sync"
	"time"
)

// Options of a Loop; all durations must be positive.
type Options struct {
	// Debounce is waited after a trigger, so that a burst is one run. Triggers
	// meanwhile do not prolong it: a run starts at most Debounce after the first.
	Debounce time.Duration
	// Resync is the longest time without a run.
	Resync time.Duration
	// Retry is waited after a failed run.
	Retry time.Duration
	// Report is told when runs begin to fail, when the reason changes, and with
	// nil when they succeed again.
	Report func(error)
}

// Loop calls Run, never twice at once. Its zero value is not usable: see New.
type Loop struct {
	options Options
	run     func(context.Context) error
	trigger chan struct{}

	mu     sync.Mutex
	status Status
}

// Status is what is known of the runs so far.
type Status struct {
	// Synced is when a run last succeeded; zero before the first.
	Synced time.Time
	// Failing is since when runs fail; zero when the last one succeeded.
	Failing time.Time
	Err     error
}

// New returns a loop that is triggered once.
func New(options Options, run func(context.Context) error) *Loop {
	l := &Loop{options: options, run: run, trigger: make(chan struct{}, 1)}
	l.Trigger()
	return l
}

// Trigger asks for a run; it never blocks.
func (l *Loop) Trigger() {
	select {
	case l.trigger <- struct{}{}:
	default:
	}
}

// Status returns the result of the runs so far.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Run runs until the context ends. All runs happen on the calling goroutine.
func (l *Loop) Run(ctx context.Context) {
	next := time.NewTimer(l.options.Resync)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-l.trigger:
			if !sleep(ctx, l.options.Debounce) {
				return
			}
			// What came in meanwhile is covered by this run.
			select {
			case <-l.trigger:
			default:
			}
		}
		err := l.run(ctx)
		l.record(err)
		if err != nil {
			next.Reset(l.options.Retry)
			continue
		}
		next.Reset(l.options.Resync)
	}
}

func (l *Loop) record(err error) {
	l.mu.Lock()
	before := l.status
	now := time.Now()
	switch {
	case err == nil:
		l.status = Status{Synced: now}
	case before.Err == nil:
		l.status.Failing, l.status.Err = now, err
	default:
		l.status.Err = err
	}
	l.mu.Unlock()
	if text(before.Err) != text(err) {
		l.options.Report(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
