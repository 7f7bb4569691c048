package release

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// makeLayer makes the layer of a spec where it is missing. The programs, and the layers
// that it takes files from, are there already.
func (b *builder) makeLayer(ctx context.Context, name string, spec LayerSpec) (layer, error) {
	key, err := b.layerKey(name, spec)
	if err != nil {
		return layer{}, err
	}
	step := "layer " + name
	dir, err := b.step(step, "layers/"+name, key, func(dir string) error {
		rootfs := filepath.Join(dir, "rootfs")
		if err := os.Mkdir(rootfs, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", step, err)
		}
		if spec.Debian != nil {
			if err := b.debootstrap(ctx, step, *spec.Debian, rootfs); err != nil {
				return err
			}
		}
		if err := b.fillTree(rootfs, spec); err != nil {
			return fmt.Errorf("making %s: %w", step, err)
		}
		return seal(dir)
	})
	if err != nil {
		return layer{}, err
	}
	return readLayer(dir)
}

// fillTree adds a spec's folders, files and links to a tree.
func (b *builder) fillTree(rootfs string, spec LayerSpec) error {
	for _, folder := range spec.Folders {
		if err := makeFolder(filepath.Join(rootfs, folder.Path), folder); err != nil {
			return err
		}
	}
	for _, file := range spec.Files {
		target := filepath.Join(rootfs, file.Path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := b.makeFile(target, file); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Links)) {
		target := filepath.Join(rootfs, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(spec.Links[name], target); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) makeFile(target string, file FileSpec) error {
	switch {
	case file.Program != "":
		return link(b.programs[file.Program].path, target)
	case file.Layer != "":
		return copyFile(filepath.Join(b.layers[file.Layer].rootfs(), file.Path), target, 0o644)
	default:
		return os.WriteFile(target, []byte(file.Text), 0o644)
	}
}

func makeFolder(path string, folder FolderSpec) error {
	mode, err := strconv.ParseUint(folder.Mode, 8, 12)
	if err != nil {
		return fmt.Errorf("folders: mode of %s: %w", folder.Path, err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := os.Chown(path, folder.User, folder.User); err != nil {
		return err
	}
	perm := fs.FileMode(mode & 0o777)
	if mode&0o1000 != 0 {
		perm |= fs.ModeSticky
	}
	return os.Chmod(path, perm)
}

// layerKey is the key of all that a layer is made of.
func (b *builder) layerKey(name string, spec LayerSpec) (string, error) {
	text, err := specKey(spec)
	if err != nil {
		return "", err
	}
	parts := []string{"layer", name, text}
	for _, file := range spec.Files {
		if file.Program != "" {
			made, ok := b.programs[file.Program]
			if !ok {
				return "", fmt.Errorf("making layer %s: nothing builds a program %q", name, file.Program)
			}
			parts = append(parts, made.key)
		}
		if file.Layer != "" {
			parts = append(parts, b.layers[file.Layer].Digest.String())
		}
	}
	return key(parts...), nil
}
