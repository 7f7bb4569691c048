package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind of a request.
type Kind string

// The kinds of requests.
const (
	Read  Kind = "read"
	Write Kind = "write"
)

// Report is what a probe saw.
type Report struct {
	// Reads and Writes count the requests, failed ones too.
	Reads, Writes int
	// Failures are in the order in which they ended.
	Failures []Failure
	// Asked counts how often a server asked for a request to be sent again, not having begun with it.
	Asked int
	// LongestGap is the longest time between two successful requests of one kind.
	LongestGap time.Duration
	// Slowest is the longest that a successful request took.
	Slowest time.Duration
	// Length of the whole run.
	Length time.Duration
}

// Failure is a request that was not answered as it should have been.
type Failure struct {
	Kind Kind
	// After is when the request was sent, since the probe's start.
	After time.Duration
	// Took is how long it took to fail.
	Took time.Duration
	// Connection says whether the connection was kept or fresh.
	Connection string
	Err        error
}

func (f Failure) lost() bool { return errors.Is(f.Err, ErrLostWrite) }

func (f Failure) String() string {
	return fmt.Sprintf("%s at %.2fs, after %.2fs on a %s: %v", f.Kind, f.After.Seconds(), f.Took.Seconds(), f.Connection, f.Err)
}

func (r Report) String() string {
	return fmt.Sprintf("%d reads and %d writes in %.1fs, %d failed, %d were asked to come again; longest gap %.2fs, slowest %.2fs",
		r.Reads, r.Writes, r.Length.Seconds(), len(r.Failures), r.Asked, r.LongestGap.Seconds(), r.Slowest.Seconds())
}

// Undisturbed is nil when every request was answered and no acknowledged write was lost. A probe that asked nothing
// proves nothing, which is an error, too.
func (r Report) Undisturbed() error {
	if r.Reads == 0 || r.Writes == 0 {
		return fmt.Errorf("the probe asked nothing, so it proves nothing: %v", r)
	}
	if len(r.Failures) > 0 {
		return fmt.Errorf("requests failed: %v\n%s", r, r.listing())
	}
	return nil
}

// Within is nil when no kind of request was without success for longer than limit. It is for faults, such as kill -9,
// that break requests which are on their way. A lost write is never excused.
func (r Report) Within(limit time.Duration) error {
	if r.Reads == 0 || r.Writes == 0 {
		return fmt.Errorf("the probe asked nothing, so it proves nothing: %v", r)
	}
	if r.LongestGap > limit || r.Lost() > 0 {
		return fmt.Errorf("the gap is longer than %v or a write is lost: %v\n%s", limit, r, r.listing())
	}
	return nil
}

// Lost counts the acknowledged writes that a later read did not see.
func (r Report) Lost() int {
	n := 0
	for _, f := range r.Failures {
		if f.lost() {
			n++
		}
	}
	return n
}

// listing names failures, one a line.
func (r Report) listing() string {
	const most = 20
	var text strings.Builder
	for i, f := range r.Failures {
		if i == most {
			fmt.Fprintf(&text, "  … and %d more\n", len(r.Failures)-most)
			break
		}
		fmt.Fprintf(&text, "  %v\n", f)
	}
	return text.String()
}

type outcome struct {
	kind       Kind
	connection connection
	begin, end time.Time
	err        error
}

// record collects outcomes. It is safe for concurrent use.
type record struct {
	start time.Time

	mu       sync.Mutex
	outcomes []outcome
	// acked is the highest acknowledged write of each slot.
	acked []int
}

func newRecord(start time.Time, slots int) *record {
	return &record{start: start, acked: make([]int, slots)}
}

func (r *record) add(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, o)
}

func (r *record) acknowledge(slot, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[slot] = max(r.acked[slot], n)
}

func (r *record) acknowledged(slot int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acked[slot]
}

// report sums up; a gap that is still open at stopped counts.
func (r *record) report(stopped time.Time) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.outcomes, func(a, b outcome) int { return a.end.Compare(b.end) })
	report := Report{Length: stopped.Sub(r.start)}
	last := map[Kind]time.Time{Read: r.start, Write: r.start}
	for _, o := range r.outcomes {
		if o.kind == Read {
			report.Reads++
		} else {
			report.Writes++
		}
		if o.err != nil {
			report.Failures = append(report.Failures, Failure{
				Kind: o.kind, After: o.begin.Sub(r.start), Took: o.end.Sub(o.begin), Connection: o.connection.String(), Err: o.err,
			})
			continue
		}
		report.Slowest = max(report.Slowest, o.end.Sub(o.begin))
		report.LongestGap = max(report.LongestGap, o.end.Sub(last[o.kind]))
		last[o.kind] = o.end
	}
	for _, success := range last {
		report.LongestGap = max(report.LongestGap, stopped.Sub(success))
	}
	return report
}
