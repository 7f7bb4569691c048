package release

import (
	"fmt"
	"io"
	"time"
)

// Progress hears of each step of a build, one at a time and in order.
type Progress interface {
	// Start says that a step has begun. The returned function is called once, when the
	// step ends: with what came of it ("cached" where nothing had to be done), or with
	// the error that ended it.
	Start(step string) (end func(result string, err error))
}

// Silent hears of nothing.
type Silent struct{}

// Start implements Progress.
func (Silent) Start(string) func(string, error) { return func(string, error) {} }

// Lines writes one line a finished step, for a log or a pipe. Steps that were cached are
// not worth a line.
type Lines struct {
	W io.Writer
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Start implements Progress.
func (l Lines) Start(step string) func(string, error) {
	now := l.Now
	if now == nil {
		now = time.Now
	}
	began := now()
	return func(result string, err error) {
		took := now().Sub(began).Round(100 * time.Millisecond)
		switch {
		case err != nil:
			fmt.Fprintf(l.W, "failed  %-42s %8s\n", step, took)
		case result == resultCached:
		default:
			fmt.Fprintf(l.W, "built   %-42s %8s  %s\n", step, took, result)
		}
	}
}

// resultCached is what a step reports whose result was there already.
const resultCached = "cached"
