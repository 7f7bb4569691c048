// Command failover kills parts of a highly available cluster with SIGKILL while 50 requests a second
// read and write, and prints for how long no request succeeded. The same faults are measured a
// second time through a bare Service, without the front.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/bench/measure"
	"naru.dev/naru/internal/probe"
	"naru.dev/naru/test/naru"
)

const (
	cluster = "bench-failover"
	// interval of reads and of writes: 25 + 25 a second.
	interval = 40 * time.Millisecond
	deadline = 20 * time.Second
	// recovery is how long a fault is watched at most.
	recovery = 4 * time.Minute
)

func main() {
	bare := flag.Bool("bare", true, "measure the same faults against a bare Service, too")
	flag.Parse()
	measure.Main(func(ctx context.Context) error { return run(ctx, *bare) })
}

func run(ctx context.Context, bare bool) error {
	b, closer, err := measure.Open()
	if err != nil {
		return err
	}
	defer closer()
	_, _, remove, err := b.Create(ctx, cluster, measure.HA)
	defer remove()
	if err != nil {
		return err
	}
	s := &site{Bench: b, namespace: v1alpha1.Namespace(cluster)}
	if s.cgroups, err = measure.FindCgroups(); err != nil {
		return err
	}
	config, err := b.Config(ctx, cluster)
	if err != nil {
		return err
	}
	figures, err := s.all(ctx, "", config)
	if err != nil {
		return err
	}
	if bare {
		more, err := s.throughService(ctx, config)
		if err != nil {
			return err
		}
		figures = append(figures, more...)
	}
	return measure.Print(os.Stdout, "failover under 50 requests a second: longest time without a successful read or write", figures)
}

// fault is something to survive.
type fault struct {
	name  string
	limit float64 // seconds
	do    func(ctx context.Context) error
}

// all measures each fault. A limit is the front's to keep: through the bare Service there is none.
func (s *site) all(ctx context.Context, suffix string, config *rest.Config) ([]measure.Figure, error) {
	faults, err := s.faults(ctx)
	if err != nil {
		return nil, err
	}
	var figures []measure.Figure
	for _, f := range faults {
		report, err := s.suffer(ctx, f, config)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", f.name, suffix, err)
		}
		fmt.Fprintf(os.Stderr, "%s%s: %v\n", f.name, suffix, report)
		limit := f.limit
		if suffix != "" {
			limit = 0
		}
		figure := measure.Seconds(f.name+suffix, report.LongestGap.Seconds(), limit)
		figure.Text += fmt.Sprintf(", %d of %d requests failed", len(report.Failures), report.Reads+report.Writes)
		figures = append(figures, figure)
	}
	return figures, nil
}

// suffer probes, does the fault and waits until the control plane is complete again.
func (s *site) suffer(ctx context.Context, f fault, config *rest.Config) (probe.Report, error) {
	if err := s.awaitComplete(ctx); err != nil {
		return probe.Report{}, err
	}
	p, err := probe.Start(ctx, config, probe.Options{Interval: interval, Deadline: deadline})
	if err != nil {
		return probe.Report{}, err
	}
	err = f.do(ctx)
	if err == nil {
		err = s.awaitComplete(ctx)
	}
	report := p.Stop()
	for _, failure := range report.Failures {
		if errors.Is(failure.Err, probe.ErrLostWrite) {
			err = errors.Join(err, failure.Err)
		}
	}
	return report, err
}

func (s *site) awaitComplete(ctx context.Context) error {
	want := map[string]int{"etcd": 3, "kube-apiserver": 3}
	// One look may still see what was before the fault: the kubelet needs a moment to notice.
	seen := 0
	return naru.Eventually(ctx, "a complete control plane", recovery, func(ctx context.Context) error {
		for component, n := range want {
			ready, err := s.readyPods(ctx, component)
			if err != nil {
				return err
			}
			if len(ready) < n {
				seen = 0
				return fmt.Errorf("%d of %d pods of %s are ready", len(ready), n, component)
			}
		}
		const steady = 25
		if seen++; seen < steady {
			return errors.New("it is complete, but not for long enough yet")
		}
		return nil
	})
}
