package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// cache keeps what was built in folders that are named by the key of their inputs:
//
//	<root>/lock
//	<root>/tmp/…              being made; emptied by the next build
//	<root>/<kind>/<key>/…     made, complete, never written to again
//	<root>/images/            an OCI layout
type cache struct{ root string }

// entry is one kind of thing in the cache, as "bin/etcd" or "layers/node-os".
func (c cache) entry(kind, key string) string { return filepath.Join(c.root, kind, key) }

// ensure returns the folder of a key and makes it when it is missing: fill gets an empty
// folder on the same file system, which takes its final name only when fill has
// succeeded. So whatever interrupts it, no half-made entry is ever seen.
func (c cache) ensure(kind, key string, fill func(dir string) error) (dir string, err error) {
	dir = c.entry(kind, key)
	if _, err := os.Stat(dir); err == nil {
		now := time.Now()
		// The age of an entry is the time since it was last asked for: see prune.
		return dir, os.Chtimes(dir, now, now)
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("looking into the build cache: %w", err)
	}
	temporary, err := c.temporary()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if err := fill(temporary); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("writing to the build cache: %w", err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		return "", fmt.Errorf("writing to the build cache: %w", err)
	}
	return dir, nil
}

// temporary makes an empty folder that the next build removes if this one does not.
func (c cache) temporary() (string, error) {
	parent := filepath.Join(c.root, "tmp")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("writing to the build cache: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return "", fmt.Errorf("writing to the build cache: %w", err)
	}
	// MkdirTemp's 0700 would become the mode of a node's root folder.
	return dir, os.Chmod(dir, 0o755)
}

// sweep removes what interrupted builds have left. The lock must be held.
func (c cache) sweep() error {
	if err := os.RemoveAll(filepath.Join(c.root, "tmp")); err != nil {
		return fmt.Errorf("removing what an interrupted build left: %w", err)
	}
	return nil
}

// lock waits until no other build works on this cache. waiting is called once if it has
// to wait at all.
func (c cache) lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return nil, fmt.Errorf("making the build cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.root, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the build cache: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("locking the build cache: %w", err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waiting for another build: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prune removes entries of a kind but those asked for last: keep of them, and all that
// are younger than a day, which another process may be using. The lock must be held.
func (c cache) prune(kind string, keep int, now time.Time) error {
	entries, err := os.ReadDir(filepath.Join(c.root, kind))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pruning the build cache: %w", err)
	}
	type aged struct {
		name string
		used time.Time
	}
	var all []aged
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("pruning the build cache: %w", err)
		}
		all = append(all, aged{entry.Name(), info.ModTime()})
	}
	slices.SortFunc(all, func(a, b aged) int { return b.used.Compare(a.used) })
	for _, old := range all[min(keep, len(all)):] {
		if now.Sub(old.used) < 24*time.Hour {
			continue
		}
		if err := os.RemoveAll(c.entry(kind, old.name)); err != nil {
			return fmt.Errorf("pruning the build cache: %w", err)
		}
	}
	return nil
}
