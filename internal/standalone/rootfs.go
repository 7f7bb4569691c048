package standalone

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/standalone/layout"
)

// rootfsNames says where the state keeps each of a release's root file systems.
func rootfsNames(state layout.State, built []string) []string {
	names := make([]string, len(built))
	for i, dir := range built {
		sum := sha256.Sum256([]byte(dir))
		names[i] = filepath.Join(state.Rootfs(), hex.EncodeToString(sum[:])[:16])
	}
	return names
}

// ensureRootfs takes the release's root file systems over from the build cache,
// by hard links where it is on the same disk, and removes those that no host
// can be using.
func (u *upper) ensureRootfs(spec layout.Spec) error {
	if err := os.MkdirAll(u.State.Rootfs(), 0o755); err != nil {
		return fmt.Errorf("making rootfs folder: %w", err)
	}
	if !u.running {
		if err := removeOthers(u.State.Rootfs(), spec.Rootfs); err != nil {
			return err
		}
	}
	for i, target := range spec.Rootfs {
		if exists(target) {
			continue
		}
		if err := copyTree(u.built.NodeRootfs[i], target); err != nil {
			return err
		}
	}
	return nil
}

func removeOthers(dir string, keep []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if slices.Contains(keep, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing old root file system: %w", err)
		}
	}
	return nil
}

// copyTree makes target the same tree as source; it appears whole or not at all.
func copyTree(source, target string) error {
	part := target + ".part"
	linked := exec.Command("cp", "-a", "--link", source, part)
	if _, err := linked.CombinedOutput(); err != nil {
		// Another disk: links can't reach it.
		if err := os.RemoveAll(part); err != nil {
			return fmt.Errorf("copying root file system: %w", err)
		}
		if out, err := exec.Command("cp", "-a", "--reflink=auto", source, part).CombinedOutput(); err != nil {
			return fmt.Errorf("copying root file system: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	// On the disk before it has its name: a machine that loses power must not come back with empty files.
	if err := syncDisk(part); err != nil {
		return fmt.Errorf("copying root file system: %w", err)
	}
	if err := os.Rename(part, target); err != nil {
		return fmt.Errorf("copying root file system: %w", err)
	}
	return nil
}

// syncDisk writes the whole file system that holds a folder to its disk.
func syncDisk(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return unix.Syncfs(int(folder.Fd()))
}

// installProgram copies this naru to where the daemon runs it from: the hosts
// need it whenever they start, and a user's copy may move.
func installProgram(state layout.State) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding own executable: %w", err)
	}
	if self == state.Program() {
		return nil
	}
	source, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("installing naru: %w", err)
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(state.Program()), 0o755); err != nil {
		return fmt.Errorf("installing naru: %w", err)
	}
	part := state.Program() + ".part"
	target, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("installing naru: %w", err)
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return fmt.Errorf("installing naru: %w", err)
	}
	if err := target.Sync(); err != nil {
		target.Close()
		return fmt.Errorf("installing naru: %w", err)
	}
	if err := target.Close(); err != nil {
		return fmt.Errorf("installing naru: %w", err)
	}
	if err := os.Rename(part, state.Program()); err != nil {
		return fmt.Errorf("installing naru: %w", err)
	}
	return nil
}
