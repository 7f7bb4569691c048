package release

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// pauseFlags are upstream's: build/pause/Makefile of Kubernetes.
var pauseFlags = []string{"-Os", "-Wall", "-Werror", "-static"}

// pauseConstant is where kubeadm says which pause version it will ask for.
var pauseConstant = regexp.MustCompile(`(?m)^\s*PauseVersion = "([^"]+)"`)

// compilePause makes the program that holds a pod's namespaces, from the C source in
// Kubernetes' own module. Its version is the one that this kubeadm asks for.
func (b *builder) compilePause(ctx context.Context, kubernetes Component, version string) error {
	k := key(append([]string{"pause", version}, pauseFlags...)...)
	dir, err := b.step("pause", "bin/pause", k, func(dir string) error {
		upstream, err := b.moduleDir(ctx, kubernetes)
		if err != nil {
			return err
		}
		constants, err := os.ReadFile(filepath.Join(upstream, "cmd/kubeadm/app/constants/constants.go"))
		if err != nil {
			return fmt.Errorf("reading kubeadm's pause version: %w", err)
		}
		found := pauseConstant.FindSubmatch(constants)
		if found == nil {
			return fmt.Errorf("reading kubeadm's pause version: %s has no PauseVersion", kubernetes.Module)
		}
		compile := tool{step: "pause", args: append([]string{"gcc"}, pauseFlags...)}
		compile.args = append(compile.args, "-DVERSION=v"+string(found[1]), "-s",
			"-o", filepath.Join(dir, "pause"), filepath.Join(upstream, "build/pause/linux/pause.c"))
		if _, err := compile.run(ctx); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "version"), found[1], 0o644)
	})
	if err != nil {
		return err
	}
	pause, err := os.ReadFile(filepath.Join(dir, "version"))
	if err != nil {
		return fmt.Errorf("reading pause's version: %w", err)
	}
	b.programs["pause"] = program{path: filepath.Join(dir, "pause"), key: k, version: string(pause)}
	return nil
}

// moduleDir is where Go keeps the unpacked source of a component's module. It fetches it
// where the module cache has been emptied since.
func (b *builder) moduleDir(ctx context.Context, component Component) (string, error) {
	download := goTool(component.Name, filepath.Join(b.source, "components", component.Dir), false)
	download.args = []string{"go", "mod", "download", "-json", component.Module}
	output, err := download.run(ctx)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(output), &module); err != nil {
		return "", fmt.Errorf("finding the source of %s: %w", component.Module, err)
	}
	return module.Dir, nil
}
