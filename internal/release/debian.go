package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// debootstrap fills a folder with the file tree that a spec says.
func (b *builder) debootstrap(ctx context.Context, step string, spec DebianSpec, rootfs string) error {
	if len(spec.Programs) == 0 {
		if err := mmdebstrap(ctx, step, "minbase", spec, rootfs); err != nil {
			return err
		}
		return remove(rootfs, spec.Remove)
	}
	unpacked, err := b.cache.temporary()
	if err != nil {
		return err
	}
	err = func() error {
		if err := mmdebstrap(ctx, step, "extract", spec, unpacked); err != nil {
			return err
		}
		return copyPrograms(unpacked, rootfs, spec.Programs)
	}()
	return errors.Join(err, os.RemoveAll(unpacked))
}

func mmdebstrap(ctx context.Context, step, variant string, spec DebianSpec, rootfs string) error {
	_, err := tool{
		step: step,
		// The date that some packages write into what they generate.
		env: []string{"SOURCE_DATE_EPOCH=0"},
		args: []string{
			"mmdebstrap", "--mode=root", "--format=directory", "--variant=" + variant,
			"--include=" + strings.Join(spec.Packages, ","),
			"--dpkgopt=path-exclude=/usr/share/doc/*",
			"--dpkgopt=path-exclude=/usr/share/man/*",
			"--dpkgopt=path-exclude=/usr/share/locale/*",
			spec.Suite, rootfs,
		},
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
