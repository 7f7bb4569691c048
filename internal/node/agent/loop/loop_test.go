package loop_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/node/agent/loop"
)

// run starts a loop whose n-th run returns the n-th error (then nil) and
// returns when its runs were, since the start.
func run(ctx context.Context, errs ...error) (*loop.Loop, *[]time.Duration, *[]string) {
	start, runs, reports := time.Now(), &[]time.Duration{}, &[]string{}
	l := loop.New(loop.Options{
		Debounce: 100 * time.Millisecond, Resync: time.Minute, Retry: time.Second,
		Report: func(err error) {
			text := "well"
			if err != nil {
				text = err.Error()
			}
			*reports = append(*reports, text)
		},
	}, func(context.Context) error {
		*runs = append(*runs, time.Since(start))
		if n := len(*runs); n <= len(errs) {
			return errs[n-1]
		}
		return nil
	})
	go l.Run(ctx)
	return l, runs, reports
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l, runs, _ := run(ctx)
		time.Sleep(time.Second)
		for range 10 { // A burst that lasts 90 ms.
			l.Trigger()
			time.Sleep(9 * time.Millisecond)
		}
		time.Sleep(2*time.Minute + time.Second)
		cancel()
		synctest.Wait()
		want := []time.Duration{
			100 * time.Millisecond,              // the start
			1100 * time.Millisecond,             // the burst
			1100*time.Millisecond + time.Minute, // nothing for a minute
			1100*time.Millisecond + 2*time.Minute,
		}
		if diff := cmp.Diff(want, *runs); diff != "" {
			t.Errorf("when triggered at 1 s, it runs at (-want +got):\n%s", diff)
		}
	})
}

func TestLoopRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broken := errors.New("broken")
		l, runs, reports := run(ctx, broken, broken, errors.New("worse"))
		time.Sleep(1200 * time.Millisecond)
		synctest.Wait()
		if s := l.Status(); !s.Synced.IsZero() || !errors.Is(s.Err, broken) {
			t.Errorf("when two runs failed, the status is %+v", s)
		}
		time.Sleep(3 * time.Second)
		cancel()
		synctest.Wait()
		ms := time.Millisecond
		if diff := cmp.Diff([]time.Duration{100 * ms, 1100 * ms, 2100 * ms, 3100 * ms}, *runs); diff != "" {
			t.Errorf("when runs fail, it retries at (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"broken", "worse", "well"}, *reports); diff != "" {
			t.Errorf("when runs fail, it reports (-want +got):\n%s", diff)
		}
		if s := l.Status(); s.Synced.IsZero() || s.Err != nil {
			t.Errorf("when a run succeeded, the status is %+v", s)
		}
	})
}
