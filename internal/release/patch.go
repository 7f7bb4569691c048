package release

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// sources is the folder to build a component in: its own, or, where that has patches (*.patch, for patch -p1 in the component's
// module), a copy in work that takes a patched copy of the module. The names of folders in work are part of the program, work's is not.
func (b *builder) sources(ctx context.Context, step string, component Component, work string) (string, error) {
	own := filepath.Join(b.source, "components", component.Dir)
	patches, err := filepath.Glob(filepath.Join(own, "*.patch"))
	if err != nil || len(patches) == 0 {
		return own, err
	}
	upstream, err := b.moduleDir(ctx, component)
	if err != nil {
		return "", err
	}
	const patched = "patched"
	for from, to := range map[string]string{own: work, upstream: filepath.Join(work, patched)} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			return "", fmt.Errorf("copying the sources of %s to patch them: %w", component.Name, err)
		}
	}
	for _, name := range patches {
		apply := tool{step: step, dir: filepath.Join(work, patched), args: []string{"patch", "-p1", "--fuzz=0", "-i", name}}
		if _, err := apply.run(ctx); err != nil {
			return "", err
		}
	}
	replace := goTool(step, work, false)
	replace.args = []string{"go", "mod", "edit", "-replace=" + component.Module + "=./" + patched}
	_, err = replace.run(ctx)
	return work, err
}
