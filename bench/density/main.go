// Command density measures the memory and CPU of an idle control plane, from the cgroups of its
// pods: what a hosting cluster pays a cluster, without its machines.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/bench/measure"
)

const (
	mebibyte = 1 << 20
	// nodeComponent marks machines, which are not control plane.
	nodeComponent = "node"
)

// limits of a form.
type limits struct{ mebibytes, cores float64 }

func main() {
	settle := flag.Duration("settle", time.Minute, "how long a new cluster is left alone first")
	window := flag.Duration("window", time.Minute, "how long CPU time is counted")
	flag.Parse()
	measure.Main(func(ctx context.Context) error { return run(ctx, *settle, *window) })
}

func run(ctx context.Context, settle, window time.Duration) error {
	b, closer, err := measure.Open()
	if err != nil {
		return err
	}
	defer closer()
	for _, c := range []struct {
		name   string
		form   measure.Form
		limits limits
	}{
		{"bench-density-ha", measure.HA, limits{1536, 0.3}},
		{"bench-density-small", measure.Small, limits{600, 0}},
	} {
		byComponent, total, err := density(ctx, b, c.name, c.form, periods{settle, window})
		if err != nil {
			return err
		}
		title := fmt.Sprintf("density of an idle %s control plane, %v after its creation, over %v", c.form.Name, settle, window)
		if err := measure.Print(os.Stdout, title, figures(byComponent, total, c.limits)); err != nil {
			return err
		}
	}
	return nil
}

type periods struct{ settle, window time.Duration }

// use is memory and CPU of a group of pods.
type use struct {
	pods      int
	mebibytes float64
	cores     float64
}

func density(ctx context.Context, b *measure.Bench, name string, form measure.Form, p periods) (map[string]use, use, error) {
	_, _, remove, err := b.Create(ctx, name, form)
	defer remove()
	if err != nil {
		return nil, use{}, err
	}
	if err := wait(ctx, p.settle); err != nil {
		return nil, use{}, err
	}
	first, err := sample(ctx, b, name)
	if err != nil {
		return nil, use{}, err
	}
	begin := time.Now()
	if err := wait(ctx, p.window); err != nil {
		return nil, use{}, err
	}
	last, err := sample(ctx, b, name)
	if err != nil {
		return nil, use{}, err
	}
	byComponent, total := sum(first, last, time.Since(begin))
	return byComponent, total, nil
}

func figures(byComponent map[string]use, total use, limits limits) []measure.Figure {
	var list []measure.Figure
	for _, component := range slices.Sorted(maps.Keys(byComponent)) {
		u := byComponent[component]
		list = append(list, measure.Figure{Name: fmt.Sprintf("%s x%d", component, u.pods), Text: fmt.Sprintf("%.0f MiB, %.3f cores", u.mebibytes, u.cores)})
	}
	return append(list,
		measure.Figure{Name: "memory, all", Text: fmt.Sprintf("%.0f MiB", total.mebibytes), Value: total.mebibytes,
			Limit: limits.mebibytes, LimitText: fmt.Sprintf("%.0f MiB", limits.mebibytes)},
		measure.Figure{Name: "CPU, all", Text: fmt.Sprintf("%.3f cores", total.cores), Value: total.cores,
			Limit: limits.cores, LimitText: fmt.Sprintf("%.1f cores", limits.cores)})
}

// reading is a pod's use at one time.
type reading struct {
	component string
	usage     measure.Usage
}

func sample(ctx context.Context, b *measure.Bench, name string) (map[string]reading, error) {
	cgroups, err := measure.FindCgroups()
	if err != nil {
		return nil, err
	}
	pods, err := b.Kube.CoreV1().Pods(v1alpha1.Namespace(name)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s: %w", name, err)
	}
	found := map[string]reading{}
	for _, pod := range pods.Items {
		component := pod.Labels[v1alpha1.LabelComponent]
		if component == nodeComponent {
			continue
		}
		usage, err := cgroups.Usage(&pod)
		if err != nil {
			return nil, err
		}
		found[string(pod.UID)] = reading{component, usage}
	}
	return found, nil
}

// sum adds up what pods that were there all the time have used; memory is that of the end.
func sum(first, last map[string]reading, length time.Duration) (byComponent map[string]use, total use) {
	byComponent = map[string]use{}
	for uid, after := range last {
		before, ok := first[uid]
		if !ok {
			continue
		}
		u := byComponent[after.component]
		mebibytes := float64(after.usage.Memory) / mebibyte
		cores := float64(after.usage.CPU-before.usage.CPU) / float64(length.Nanoseconds())
		byComponent[after.component] = use{u.pods + 1, u.mebibytes + mebibytes, u.cores + cores}
		total = use{total.pods + 1, total.mebibytes + mebibytes, total.cores + cores}
	}
	return byComponent, total
}

// wait leaves the cluster alone: time passing is what is awaited.
func wait(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
