package main

import (
	"testing"
	"time"

	"naru.dev/naru/bench/measure"
)

func TestSum(t *testing.T) {
	first := map[string]reading{
		"a": {"etcd", measure.Usage{Memory: 10 << 20, CPU: 1e9}},
		"b": {"etcd", measure.Usage{Memory: 10 << 20, CPU: 1e9}},
		"c": {"front", measure.Usage{Memory: 10 << 20, CPU: 1e9}},
	}
	last := map[string]reading{
		"a":   {"etcd", measure.Usage{Memory: 20 << 20, CPU: 2e9}},
		"b":   {"etcd", measure.Usage{Memory: 30 << 20, CPU: 3e9}},
		"new": {"etcd", measure.Usage{Memory: 99 << 20, CPU: 9e9}},
	}
	byComponent, total := sum(first, last, 8*time.Second)
	t.Run("when pods were there all the time, it adds them up", func(t *testing.T) {
		if want := (use{2, 50, 0.375}); byComponent["etcd"] != want || total != want {
			t.Errorf("got %v and %v, want %v", byComponent["etcd"], total, want)
		}
	})
	t.Run("when a pod came or went, it is not counted", func(t *testing.T) {
		if len(byComponent) != 1 {
			t.Errorf("got %v", byComponent)
		}
	})
}
