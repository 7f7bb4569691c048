// Command create measures how long a cluster takes, against the floor: the same binaries as bare
// processes. Both run in turn on the same machine, so their ratio says what Naru adds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"naru.dev/naru/bench/floor"
	"naru.dev/naru/bench/measure"
	"naru.dev/naru/internal/progress"
	"naru.dev/naru/internal/release"
)

// The limits of an idle machine with two cores.
const (
	haRatio    = 4
	haSeconds  = 40
	smallRatio = 2.5
)

func main() {
	runs := flag.Int("runs", 3, "how often to measure each")
	many := flag.Int("many", 0, "how many small clusters to create at once as well")
	only := flag.Bool("floor", false, "measure the floor only; no platform has to run")
	flag.Parse()
	measure.Main(func(ctx context.Context) error {
		least, err := measureFloor(ctx, *runs)
		if err != nil || *only {
			return err
		}
		return clusters(ctx, least, *runs, *many)
	})
}

// measureFloor is the median of several runs.
func measureFloor(ctx context.Context, runs int) (time.Duration, error) {
	shown := progress.ForStderr()
	built, err := release.Build(ctx, release.Options{Progress: shown})
	shown.Close()
	if err != nil {
		return 0, err
	}
	binary, err := built.Program("naru")
	if err != nil {
		return 0, err
	}
	took, err := repeat(runs, func(int) (time.Duration, error) { return floor.Measure(ctx, binary, built) })
	if err != nil {
		return 0, err
	}
	return took, measure.Print(os.Stdout, fmt.Sprintf("floor, median of %d: bare processes to a Ready node and a running pod", runs),
		[]measure.Figure{{Name: "floor", Text: fmt.Sprintf("%.1f s", took.Seconds())}})
}

func clusters(ctx context.Context, least time.Duration, runs, many int) error {
	b, closer, err := measure.Open()
	if err != nil {
		return err
	}
	defer closer()
	create := func(form measure.Form) (time.Duration, error) {
		return repeat(runs, func(n int) (time.Duration, error) {
			_, took, remove, err := b.Create(ctx, fmt.Sprintf("bench-create-%d", n), form)
			remove()
			return took, err
		})
	}
	ha, err := create(measure.HA)
	if err != nil {
		return err
	}
	small, err := create(measure.Small)
	if err != nil {
		return err
	}
	figures := []measure.Figure{
		measure.Ratio("highly available, 2 nodes", ha.Seconds(), least.Seconds(), haRatio),
		measure.Seconds("highly available, 2 nodes", ha.Seconds(), haSeconds),
		measure.Ratio("small, 1 node", small.Seconds(), least.Seconds(), smallRatio),
	}
	if many > 0 {
		took, err := together(ctx, b, many)
		if err != nil {
			return err
		}
		figures = append(figures, measure.Figure{Name: fmt.Sprintf("%d small ones at once", many), Text: fmt.Sprintf("%.1f s", took.Seconds())})
	}
	return measure.Print(os.Stdout, fmt.Sprintf("create, median of %d: naru create cluster to Ready nodes and available CoreDNS", runs), figures)
}

// together creates small clusters at the same time and returns when the last was ready.
func together(ctx context.Context, b *measure.Bench, many int) (time.Duration, error) {
	begin := time.Now()
	errs := make([]error, many)
	var all sync.WaitGroup
	var removes sync.Map
	for n := range many {
		all.Go(func() {
			_, _, remove, err := b.Create(ctx, fmt.Sprintf("bench-many-%d", n), measure.Small)
			removes.Store(n, remove)
			errs[n] = err
		})
	}
	all.Wait()
	took := time.Since(begin)
	removes.Range(func(_, remove any) bool {
		all.Go(remove.(func()))
		return true
	})
	all.Wait()
	return took, errors.Join(errs...)
}

// repeat returns the median.
func repeat(runs int, once func(n int) (time.Duration, error)) (time.Duration, error) {
	var times []time.Duration
	for n := range runs {
		took, err := once(n)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(os.Stderr, "run %d of %d: %.1f s\n", n+1, runs, took.Seconds())
		times = append(times, took)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
