package scorecard

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whole is a claim of a row's whole weight.
func whole(row string, holds bool) []Claim {
	rows, _ := Select([]string{row}, nil)
	return []Claim{{Points: float64(rows[0].Weight), Held: holds, Text: Text{"it", "그것"}}}
}

// world is a runner under test and what was saved.
type world struct {
	*Runner
	mu    sync.Mutex
	saved []string
	began []string
}

func newWorld(checks ...Check) *world {
	w := &world{}
	w.Runner = &Runner{
		Checks: checks, Workers: 3, HasPlatform: true, Disruptive: true, PrepareLimit: time.Minute, Patience: 20 * time.Millisecond, Now: time.Now,
		Save: func(r Result) error { w.saved = append(w.saved, r.Row); return nil },
		Begin: func(row Row) func(Result) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.began = append(w.began, row.ID)
			return func(Result) {}
		},
	}
	return w
}

func check(row string, run func(ctx context.Context, log *Log) ([]Claim, error)) Check {
	return Check{Row: row, Limit: time.Minute, Run: run}
}

func passing(row string) Check {
	return check(row, func(context.Context, *Log) ([]Claim, error) { return whole(row, true), nil })
}

func rowsNamed(t *testing.T, ids ...string) []Row {
	t.Helper()
	rows, err := Select(ids, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestRunAnswersEachRow(t *testing.T) {
	failing := errors.New("the pod is gone")
	w := newWorld(
		passing("P04"),
		check("P05", func(context.Context, *Log) ([]Claim, error) {
			return []Claim{{Points: 1, Held: true}, {Points: 1}}, failing
		}),
		check("P06", func(context.Context, *Log) ([]Claim, error) { panic("out of range") }),
		Check{Row: "P07", Limit: 10 * time.Millisecond, Run: func(_ context.Context, log *Log) ([]Claim, error) {
			log.Add("get pods", "none")
			select {} // it never ends
		}},
		check("P08", func(context.Context, *Log) ([]Claim, error) { return []Claim{{Points: 7, Held: true}}, nil }),
		check("P11", func(context.Context, *Log) ([]Claim, error) { return nil, nil }),
		Check{Row: "P16", Limit: time.Minute, Prepare: func(context.Context) error { return failing }},
	)
	results, err := w.Run(t.Context(), rowsNamed(t, "P04", "P05", "P06", "P07", "P08", "P11", "P16", "P12"), nil)
	if err != nil {
		t.Fatal(err)
	}
	type short struct {
		Status Status
		Points float64
		Error  string
	}
	got := map[string]short{}
	for _, r := range results {
		got[r.Row] = short{r.Status, r.Points, strings.SplitN(r.Error, "\n", 2)[0]}
	}
	want := map[string]short{
		"P04": {Measured, 3, ""},
		"P05": {Failed, 1, "the pod is gone"}, // what was seen before counts
		"P06": {Failed, 0, "it panicked: out of range"},
		"P07": {Failed, 0, "it hangs: it did not return within 20ms after its end: its time of 10ms was up"},
		"P08": {Failed, 0, "its claims are worth 7 points, the row 2: the check is wrong"},
		"P11": {Failed, 0, "it claimed nothing"},
		"P12": {NotBuilt, 0, ""},
		"P16": {Failed, 0, "what it works on could not be made: the pod is gone"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range results {
		if r.Row == "P07" && !cmp.Equal(r.Evidence, []Entry{{At: r.Evidence[0].At, Did: "get pods", Saw: "none"}}) {
			t.Errorf("when a check hangs, its evidence is kept; got %v", r.Evidence)
		}
		if r.Row == "P06" && (len(r.Evidence) != 1 || !strings.Contains(r.Evidence[0].Saw, "run_test.go")) {
			t.Errorf("when a check panics, its evidence says where; got %v", r.Evidence)
		}
	}
}

func TestRunDecidesWithoutTrying(t *testing.T) {
	never := func(context.Context, *Log) ([]Claim, error) { panic("it was tried") }
	w := newWorld(Check{Row: "P04", Needs: PlatformAPI, Limit: time.Minute, Run: never}, Check{Row: "A05", Disruptive: true, Limit: time.Minute, Run: never}, check("A02", never))
	w.HasPlatform, w.Disruptive = false, false
	results, err := w.Run(t.Context(), rowsNamed(t, "P04", "A05", "A02"), []Result{{Row: "A02", Status: Measured, Points: 4}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Row: "P04", Status: NeedsPlatform, Weight: 3, EKS: 3},
		{Row: "A02", Status: Measured, Points: 4}, // of the run before
		{Row: "A05", Status: NotRun, Weight: 1, EKS: 1},
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error(diff)
	}
}

func TestRunOrder(t *testing.T) {
	t.Run("when rows are independent, they run side by side, but no more than there are workers", func(t *testing.T) {
		var running, most atomic.Int32
		gate := make(chan struct{})
		beside := func(row string) Check {
			return check(row, func(context.Context, *Log) ([]Claim, error) {
				n := running.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				if n == 3 {
					close(gate)
				}
				<-gate
				running.Add(-1)
				return whole(row, true), nil
			})
		}
		w := newWorld(beside("A02"), beside("A03"), beside("A04"), beside("A05"))
		if _, err := w.Run(t.Context(), rowsNamed(t, "A02", "A03", "A04", "A05"), nil); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 3 {
			t.Errorf("%d ran at a time, want 3", most.Load())
		}
	})
	t.Run("when rows want the same thing alone, they run one after the other; those that disrupt come last, alone", func(t *testing.T) {
		var running, overlaps atomic.Int32
		alone := func(row string, disruptive bool) Check {
			c := check(row, func(context.Context, *Log) ([]Claim, error) {
				if running.Add(1) > 1 {
					overlaps.Add(1)
				}
				time.Sleep(2 * time.Millisecond) // an overlap needs a moment to show
				running.Add(-1)
				return whole(row, true), nil
			})
			c.Alone, c.Disruptive = "it", disruptive
			if disruptive {
				c.Alone = ""
			}
			return c
		}
		w := newWorld(alone("P16", true), alone("P17", true), alone("A02", false), alone("A03", false))
		if _, err := w.Run(t.Context(), rowsNamed(t, "P16", "P17", "A02", "A03"), nil); err != nil {
			t.Fatal(err)
		}
		if overlaps.Load() > 0 || !slices.Equal(w.began[2:], []string{"P16", "P17"}) {
			t.Errorf("%d overlaps; began in the order %v", overlaps.Load(), w.began)
		}
	})
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(passing("P04"), Check{Row: "P05", Limit: time.Second, Run: func(ctx context.Context, _ *Log) ([]Claim, error) {
		cancel()
		<-ctx.Done()
		return []Claim{{Points: 2}}, ctx.Err()
	}}, Check{Row: "P06", Limit: time.Millisecond, Run: func(context.Context, *Log) ([]Claim, error) { panic("it was tried") }})
	w.Workers = 1
	results, err := w.Run(ctx, rowsNamed(t, "P04", "P05", "P06"), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"P04"}, w.saved); diff != "" || len(results) != 1 {
		t.Errorf("when the run is interrupted, only rows that came to their end are kept; %d results\n%s", len(results), diff)
	}
}
