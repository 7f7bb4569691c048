package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCacheEnsure(t *testing.T) {
	write := func(dir string) error { return os.WriteFile(filepath.Join(dir, "program"), []byte("1"), 0o644) }

	t.Run("when an entry is missing, it is made; when it is there, it is not made again", func(t *testing.T) {
		c := cache{t.TempDir()}
		dir, err := c.ensure("bin/etcd", "k", write)
		if err != nil {
			t.Fatal(err)
		}
		if left := files(t, c.root); len(left) != 1 || filepath.Dir(left[0]) != dir {
			t.Errorf("made: %v", left)
		}
		again, err := c.ensure("bin/etcd", "k", func(string) error {
			t.Error("made a second time")
			return nil
		})
		if err != nil || again != dir {
			t.Fatalf("second: dir = %s, err = %v", again, err)
		}
	})

	t.Run("when making an entry fails, it leaves nothing", func(t *testing.T) {
		c := cache{t.TempDir()}
		interrupted := errors.New("interrupted")
		_, err := c.ensure("bin/etcd", "k", func(dir string) error {
			return errors.Join(write(dir), interrupted)
		})
		if !errors.Is(err, interrupted) {
			t.Fatalf("err = %v", err)
		}
		if left := files(t, c.root); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})

	t.Run("when a build was killed, its half-made entry is not seen and the next build removes it", func(t *testing.T) {
		c := cache{t.TempDir()}
		killed, err := c.temporary()
		if err != nil {
			t.Fatal(err)
		}
		if err := write(killed); err != nil {
			t.Fatal(err)
		}
		if err := c.sweep(); err != nil {
			t.Fatal(err)
		}
		if left := files(t, c.root); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if _, err := c.ensure("bin/etcd", "k", write); err != nil {
			t.Error(err)
		}
	})
}

func TestCacheLock(t *testing.T) {
	c := cache{t.TempDir()}
	unlock, err := c.lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("when another build holds the cache, it says that it waits, and gives up with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		waited := false
		_, err := c.lock(ctx, func() { waited = true; cancel() })
		if !errors.Is(err, context.Canceled) || !waited {
			t.Errorf("waited = %v, err = %v", waited, err)
		}
	})

	t.Run("when the other build ends, it has the cache", func(t *testing.T) {
		second, err := c.lock(t.Context(), unlock)
		if err != nil {
			t.Fatal(err)
		}
		second()
	})
}

func TestCachePrune(t *testing.T) {
	c := cache{t.TempDir()}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{
		"newest": 0, "second": 30 * time.Hour, "old": 50 * time.Hour, "oldest": 90 * time.Hour,
	} {
		dir, err := c.ensure("bin/etcd", name, func(string) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.prune("bin/etcd", 2, now); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"newest": true, "second": true, "old": false, "oldest": false} {
		_, err := os.Stat(c.entry("bin/etcd", name))
		if got := err == nil; got != want {
			t.Errorf("when the last two are kept, %s: kept = %v, want %v", name, got, want)
		}
	}
	if err := c.prune("bin/etcd", 0, now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.entry("bin/etcd", "newest")); err != nil {
		t.Errorf("when an entry was used within a day, it is kept: %v", err)
	}
}

func files(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
