package release

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// program is one executable in the cache.
type program struct {
	path string
	// key changes with the content.
	key string
	// version is the component's; Naru's own programs have none.
	version string
}

// compileComponent makes a component's programs where they are missing.
func (b *builder) compileComponent(ctx context.Context, component Component) error {
	version, err := component.Version(b.tree)
	if err != nil {
		return err
	}
	key, err := componentKey(b.tree, component, version, b.goVersion)
	if err != nil {
		return err
	}
	step := component.Name + " " + version
	dir, err := b.step(step, "bin/"+component.Name, key, func(dir string) error {
		work, err := os.MkdirTemp("", "naru-"+component.Name+"-")
		if err != nil {
			return fmt.Errorf("making a folder to patch in: %w", err)
		}
		defer os.RemoveAll(work)
		sources, err := b.sources(ctx, step, component, work)
		if err != nil {
			return err
		}
		// One call for all programs: what they share is compiled and loaded once.
		compile := goTool(step, sources, component.Cgo)
		compile.args = append(compile.args, component.goFlags(version)...)
		compile.args = append(compile.args, "-o", dir+"/")
		for _, program := range component.Programs {
			compile.args = append(compile.args, program.Package)
		}
		if _, err := compile.run(ctx); err != nil {
			return err
		}
		return component.rename(dir)
	})
	if err != nil {
		return err
	}
	for _, p := range component.Programs {
		b.programs[p.Name] = program{path: filepath.Join(dir, p.Name), key: key, version: version}
	}
	return nil
}

// rename gives each program in a folder its name where Go has called it otherwise.
func (c Component) rename(dir string) error {
	for _, program := range c.Programs {
		if err := os.Rename(filepath.Join(dir, program.goName()), filepath.Join(dir, program.Name)); err != nil {
			return fmt.Errorf("naming the programs of %s: %w", c.Name, err)
		}
	}
	return nil
}

// majorVersion is the last element of a module's path from version 2 on.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// goName is what `go build` calls a program: the last element of its package's path that
// is not a major version.
func (p Program) goName() string {
	name := path.Base(p.Package)
	if majorVersion.MatchString(name) {
		return path.Base(path.Dir(p.Package))
	}
	return name
}

// compileOwn makes one of Naru's own programs. Go's build cache says what has changed;
// the program's content is its key, so that equal sources and edited comments change
// nothing downstream.
func (b *builder) compileOwn(ctx context.Context, name, pkg string) error {
	// Always the same path: where nothing has changed, Go sees it there and does not link.
	latest := filepath.Join(b.cache.root, "own", name)
	if err := os.MkdirAll(filepath.Dir(latest), 0o755); err != nil {
		return fmt.Errorf("writing to the build cache: %w", err)
	}
	compile := goTool(name, b.source, false)
	compile.args = append(compile.args, "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", latest, pkg)
	end := b.progress.Start(name)
	_, err := compile.run(ctx)
	end("", err)
	if err != nil {
		return err
	}
	key, err := fileKey(latest)
	if err != nil {
		return err
	}
	dir, err := b.cache.ensure("bin/"+name, key, func(dir string) error {
		return copyFile(latest, filepath.Join(dir, name), 0o755)
	})
	if err != nil {
		return err
	}
	b.programs[name] = program{path: filepath.Join(dir, name), key: filepath.Base(dir)}
	return nil
}

// goTool is a `go build` that depends on the tree alone: not on a workspace, nor on
// another toolchain, nor on flags that the user has set.
func goTool(step, dir string, cgo bool) tool {
	enabled := "CGO_ENABLED=0"
	if cgo {
		enabled = "CGO_ENABLED=1"
	}
	return tool{
		step: step,
		dir:  dir,
		// An empty GOFLAGS would let the one of `go env -w` through.
		env:  []string{enabled, "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=-buildvcs=false"},
		args: []string{"go", "build"},
	}
}

// goVersion asks the toolchain that will build for its version.
func goVersion(ctx context.Context, source string) (string, error) {
	ask := goTool("the Go version", source, false)
	ask.args = []string{"go", "env", "GOVERSION"}
	version, err := ask.run(ctx)
	if err != nil {
		return "", fmt.Errorf("finding the Go toolchain: %w", err)
	}
	return strings.TrimSpace(version), nil
}
