package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The variants of mmdebstrap that are used.
const (
	installed = "minbase"
	unpacked  = "extract"
)

// debootstrap fills a folder with the file tree that a spec says.
func (b *builder) debootstrap(ctx context.Context, step string, spec DebianSpec, rootfs string) error {
	if len(spec.Programs) == 0 {
		if err := mmdebstrap(ctx, step, installed, spec, rootfs); err != nil {
			return err
		}
		return remove(rootfs, spec.Remove)
	}
	scratch, err := b.cache.temporary()
	if err != nil {
		return err
	}
	err = func() error {
		if err := mmdebstrap(ctx, step, unpacked, spec, scratch); err != nil {
			return err
		}
		return copyPrograms(scratch, rootfs, spec.Programs)
	}()
	return errors.Join(err, os.RemoveAll(scratch))
}

func mmdebstrap(ctx context.Context, step, variant string, spec DebianSpec, rootfs string) error {
	args := []string{
		"mmdebstrap", "--mode=root", "--format=directory", "--variant=" + variant,
		"--include=" + strings.Join(spec.Packages, ","),
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
	}
	if variant == installed {
		args = append(args, "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
	}
	_, err := tool{
		step: step,
		// The date that some packages write into what they generate.
		env:  []string{"SOURCE_DATE_EPOCH=0"},
		args: append(args, spec.Suite, rootfs),
	}.run(ctx)
	return err
}

// remove deletes what the globs match below a root.
func remove(root string, globs []string) error {
	for _, glob := range globs {
		matches, err := filepath.Glob(filepath.Join(root, glob))
		if err != nil {
			return fmt.Errorf("removing %s: %w", glob, err)
		}
		for _, match := range matches {
			if err := os.RemoveAll(match); err != nil {
				return fmt.Errorf("removing %s: %w", glob, err)
			}
		}
	}
	return nil
}
