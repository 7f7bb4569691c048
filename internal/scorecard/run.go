package scorecard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Runner runs checks and collects the results of rows.
type Runner struct {
	// Checks are those that there are; a row without one is not built.
	Checks []Check
	// Workers is how many checks run side by side.
	Workers int
	// HasPlatform tells that Naru's own API can be used; without it some rows can't be answered.
	HasPlatform bool
	// Disruptive allows disruptive checks.
	Disruptive bool
	// PrepareLimit bounds what rows share, Patience is how long a check may go on after its limit.
	PrepareLimit, Patience time.Duration
	Now                    func() time.Time
	// Begin hears of each check that starts and returns who hears of its result.
	Begin func(Row) (end func(Result))
	// Save keeps a result; an error of it does not end the run.
	Save func(Result) error
}

// job is a row with its check.
type job struct {
	row   Row
	check Check
}

// Run answers the rows and returns the results in their order. Rows that done answers already are not tried again.
// Results are missing for rows that ctx's end has cut off; then the error is ctx's.
func (r *Runner) Run(ctx context.Context, rows []Row, done []Result) ([]Result, error) {
	results := map[string]Result{}
	for _, result := range done {
		results[result.Row] = result
	}
	var quiet, disruptive []job
	for _, row := range rows {
		if _, known := results[row.ID]; known {
			continue
		}
		check, result := r.decide(row)
		switch {
		case result != nil:
			results[row.ID] = *result
		case check.Disruptive:
			disruptive = append(disruptive, job{row, check})
		default:
			quiet = append(quiet, job{row, check})
		}
	}
	slices.SortStableFunc(quiet, func(a, b job) int { return cmp.Compare(b.check.Limit, a.check.Limit) })
	var failures []error
	keep := func(result Result) {
		results[result.Row] = result
		if err := r.Save(result); err != nil {
			failures = append(failures, fmt.Errorf("keeping the result of %s: %w", result.Row, err))
		}
	}
	r.sideBySide(ctx, quiet, r.Workers, keep)
	r.sideBySide(ctx, disruptive, 1, keep)
	var ordered []Result
	for _, row := range rows {
		if result, ok := results[row.ID]; ok {
			ordered = append(ordered, result)
		}
	}
	return ordered, errors.Join(append(failures, ctx.Err())...)
}

// decide says what is known of a row without trying it.
func (r *Runner) decide(row Row) (Check, *Result) {
	result := &Result{Row: row.ID, Weight: row.Weight, EKS: row.EKS}
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Row == row.ID })
	switch {
	case i < 0:
		result.Status = NotBuilt
	case r.Checks[i].Needs == PlatformAPI && !r.HasPlatform:
		result.Status = NeedsPlatform
	case r.Checks[i].Disruptive && !r.Disruptive:
		result.Status = NotRun
	default:
		return r.Checks[i], nil
	}
	return Check{}, result
}

// sideBySide runs jobs, as many at a time as there are workers, and none beside another that wants the same thing
// alone. keep is called from one goroutine.
func (r *Runner) sideBySide(ctx context.Context, pending []job, workers int, keep func(Result)) {
	type outcome struct {
		job    job
		result Result
		cut    bool
	}
	finished := make(chan outcome)
	running, taken := 0, map[string]bool{}
	for len(pending) > 0 || running > 0 {
		for running < workers && ctx.Err() == nil {
			i := slices.IndexFunc(pending, func(j job) bool { return j.check.Alone == "" || !taken[j.check.Alone] })
			if i < 0 {
				break
			}
			j := pending[i]
			pending = slices.Delete(pending, i, i+1)
			taken[j.check.Alone] = true
			running++
			go func() {
				result, cut := r.answer(ctx, j)
				finished <- outcome{j, result, cut}
			}()
		}
		if running == 0 {
			return // interrupted
		}
		o := <-finished
		running--
		delete(taken, o.job.check.Alone)
		if !o.cut {
			keep(o.result)
		}
	}
}

// Interrupted is the error of a row that the end of the run has cut off. It is not kept: --resume tries it again.
const Interrupted = "interrupted"

// answer tries one row; cut tells that ctx's end kept it from being answered.
func (r *Runner) answer(ctx context.Context, j job) (result Result, cut bool) {
	end := r.Begin(j.row)
	defer func() { end(result) }()
	began := r.Now()
	log := NewLog(r.Now)
	if err := r.prepare(ctx, j.check); err != nil {
		result = verdict(j.row, nil, fmt.Errorf("what it works on could not be made: %w", err))
	} else {
		began, log = r.Now(), NewLog(r.Now)
		claims, err := r.attempt(ctx, j.check, log)
		result = verdict(j.row, claims, err)
	}
	result.Began, result.Took = began, math.Round(r.Now().Sub(began).Seconds()*10)/10
	result.Evidence = log.Entries()
	if ctx.Err() != nil && result.Status == Failed {
		result.Error = Interrupted
		return result, true
	}
	return result, false
}

func (r *Runner) prepare(ctx context.Context, check Check) error {
	if check.Prepare == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.PrepareLimit)
	defer cancel()
	_, err := guard(ctx, r.Patience, func() ([]Claim, error) { return nil, check.Prepare(ctx) })
	return err
}

func (r *Runner) attempt(ctx context.Context, check Check, log *Log) ([]Claim, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, check.Limit, &TimeError{Limit: check.Limit})
	defer cancel()
	claims, err := guard(ctx, r.Patience, func() ([]Claim, error) { return check.Run(ctx, log) })
	var panicked *PanicError
	if errors.As(err, &panicked) {
		log.Add("panic", panicked.Stack)
	}
	return claims, err
}

// guard calls f and survives its panic. When f does not return within patience after ctx's end it is left alone:
// nothing can end it, but the run goes on.
func guard(ctx context.Context, patience time.Duration, f func() ([]Claim, error)) ([]Claim, error) {
	type outcome struct {
		claims []Claim
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if value := recover(); value != nil {
				done <- outcome{nil, &PanicError{Value: fmt.Sprint(value), Stack: stack()}}
			}
		}()
		claims, err := f()
		done <- outcome{claims, err}
	}()
	hangs := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(patience, func() { close(hangs) }) })
	defer stop()
	select {
	case o := <-done:
		return o.claims, o.err
	case <-hangs:
		return nil, fmt.Errorf("it hangs: it did not return within %s after its end: %w", patience, context.Cause(ctx))
	}
}

// stack is where a panic came from: the lines of the stack below the runtime's own.
func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	const skip, most = 7, 12
	return strings.Join(lines[min(skip, len(lines)):min(skip+most, len(lines))], "\n")
}

// PanicError is a check that panicked.
type PanicError struct{ Value, Stack string }

func (e *PanicError) Error() string { return "it panicked: " + e.Value }

// TimeError is a check whose time was up.
type TimeError struct{ Limit time.Duration }

func (e *TimeError) Error() string { return fmt.Sprintf("its time of %s was up", e.Limit) }

// verdict turns what a check returned into a result. Claims that don't sum to the row's weight are a fault of the check.
func verdict(row Row, claims []Claim, err error) Result {
	result := Result{Row: row.ID, Status: Measured, Weight: row.Weight, EKS: row.EKS, Claims: claims}
	sum := 0.0
	for _, claim := range claims {
		sum += claim.Points
		if claim.Held {
			result.Points += claim.Points
		}
	}
	if claims != nil && math.Abs(sum-float64(row.Weight)) > 1e-9 {
		err = errors.Join(fmt.Errorf("its claims are worth %g points, the row %d: the check is wrong", sum, row.Weight), err)
		result.Points = 0
	}
	if err != nil || claims == nil {
		result.Status = Failed
		result.Error = "it claimed nothing"
	}
	if err != nil {
		result.Error = err.Error()
	}
	return result
}
