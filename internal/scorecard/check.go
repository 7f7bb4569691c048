package scorecard

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Need is what a check can't do without.
type Need int

// What a check needs.
const (
	// Kubernetes: any cluster that a kubeconfig names.
	Kubernetes Need = iota
	// PlatformAPI: Naru's own command line and hosting cluster.
	PlatformAPI
)

// Claim is one thing that a row's points are given for. The points of a check's claims sum to the
// row's weight.
type Claim struct {
	// Points that it is worth, be it held or not.
	Points float64 `json:"points"`
	// Text says what is claimed, as "A lost API server fails no request".
	Text Text `json:"text"`
	// Held tells that it was seen to be so, in this run.
	Held bool `json:"held"`
	// Why is what was seen, or why it does not hold. It may be a measurement or an error, hence one language.
	Why string `json:"why,omitempty"`
}

// Check tries one row.
type Check struct {
	// Row is the row's ID.
	Row   string
	Needs Need
	// Disruptive: it kills something that a cluster's users would notice. It runs alone, after the others, and only
	// when that was allowed.
	Disruptive bool
	// Alone names something that no other check of that name may use at the same time; empty: none.
	Alone string
	// Limit bounds Run. Those with the longest limit start first.
	Limit time.Duration
	// Prepare, which may be nil, makes what several rows share. Its time is not the row's.
	Prepare func(ctx context.Context) error
	// Run tries it. The claims count even where there is an error: they say how far it came.
	Run func(ctx context.Context, log *Log) ([]Claim, error)
	// Unseen are the claims of an observation that saw nothing: none of them may hold.
	Unseen func() []Claim
}

// Entry is one thing that a check did or saw.
type Entry struct {
	// At is when, since the check began, in seconds.
	At float64 `json:"at"`
	// Did is a command, a request or an object that was made.
	Did string `json:"did"`
	// Saw is what came of it.
	Saw string `json:"saw,omitempty"`
}

// Log is the evidence of one check. It is safe for concurrent use: a check that hangs may still write to it.
type Log struct {
	now   func() time.Time
	began time.Time

	mu      sync.Mutex
	entries []Entry
}

// NewLog returns an empty log whose time begins now.
func NewLog(now func() time.Time) *Log { return &Log{now: now, began: now()} }

// The bounds of what a log keeps of one check.
const (
	maxEntries = 80
	maxText    = 2000
)

// Add writes down what was done and what came of it.
func (l *Log) Add(did, saw string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == maxEntries {
		l.entries[maxEntries-1] = Entry{At: l.since(), Did: "…", Saw: "more was done than is kept"}
		return
	}
	l.entries = append(l.entries, Entry{At: l.since(), Did: clip(did), Saw: clip(saw)})
}

func (l *Log) since() float64 { return float64(l.now().Sub(l.began).Milliseconds()) / 1000 }

// Entries returns a copy of what was written so far.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return s[:maxText] + "…"
}
