package release

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// ImageSpec is images/<name>.yaml: one OCI image.
type ImageSpec struct {
	// Name is the repository's, and the image's short name.
	Name string  `json:"name"`
	Tag  TagSpec `json:"tag"`
	// Layers are names of images/layers/*.yaml, bottom first.
	Layers []string `json:"layers"`
	// Entrypoint is what runs when a pod names no command.
	Entrypoint []string `json:"entrypoint,omitempty"`
	// User is the numeric user, and group, that it runs as. Required: "0" has to be said.
	User string   `json:"user"`
	Env  []string `json:"env,omitempty"`
	// StopSignal asks the program to end; empty: SIGTERM.
	StopSignal string `json:"stopSignal,omitempty"`
}

// TagSpec says how an image's tag is found. Parts that are set are joined by a dash.
type TagSpec struct {
	// Program's component gives its version.
	Program string `json:"program,omitempty"`
	// Literal is itself.
	Literal string `json:"literal,omitempty"`
	// Content adds the start of a hash of all layers and of the signal that stops it, so that
	// what runs the image is rolled whenever one of them changes.
	Content bool `json:"content,omitempty"`
}

// LayerSpec is images/layers/<name>.yaml: one file tree. Image layers and the lower
// directories of a node are both made of it.
type LayerSpec struct {
	Files []FileSpec `json:"files,omitempty"`
	// Links maps the path of each symbolic link to its target.
	Links   map[string]string `json:"links,omitempty"`
	Folders []FolderSpec      `json:"folders,omitempty"`
	Debian  *DebianSpec       `json:"debian,omitempty"`
}

// FileSpec is one file. Exactly one of Program, Text and Layer says where it is from.
type FileSpec struct {
	Path    string `json:"path"`
	Program string `json:"program,omitempty"`
	Text    string `json:"text,omitempty"`
	// Layer is another layer that has a file of the same path.
	Layer string `json:"layer,omitempty"`
}

// FolderSpec is a folder with an owner or a mode of its own.
type FolderSpec struct {
	Path string `json:"path"`
	// Mode is octal, "1777".
	Mode string `json:"mode"`
	User int    `json:"user,omitempty"`
}

// DebianSpec is a file tree made of Debian packages.
type DebianSpec struct {
	Suite    string   `json:"suite"`
	Packages []string `json:"packages"`
	// Programs, when there are any, are all that is kept, with the shared libraries that
	// they need. The packages are then unpacked only: their scripts do not run.
	Programs []string `json:"programs,omitempty"`
	// Remove are globs of what is not kept.
	Remove []string `json:"remove,omitempty"`
}

// specs are all images and layers of a source tree, by name.
type specs struct {
	images map[string]ImageSpec
	layers map[string]LayerSpec
}

// readSpecs reads images/ and refuses what cannot be right, naming file and field.
func readSpecs(source fs.FS) (specs, error) {
	images, err := readFolder[ImageSpec](source, "images")
	if err != nil {
		return specs{}, err
	}
	layers, err := readFolder[LayerSpec](source, "images/layers")
	if err != nil {
		return specs{}, err
	}
	s := specs{images: images, layers: layers}
	return s, s.validate()
}

func readFolder[T any](source fs.FS, folder string) (map[string]T, error) {
	names, err := fs.Glob(source, folder+"/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	all := make(map[string]T, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, fmt.Errorf("reading an image spec: %w", err)
		}
		var one T
		if err := yaml.UnmarshalStrict(data, &one); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all[strings.TrimSuffix(path.Base(name), ".yaml")] = one
	}
	return all, nil
}

func (s specs) validate() error {
	for _, name := range slices.Sorted(maps.Keys(s.images)) {
		if err := s.validateImage(name, s.images[name]); err != nil {
			return fmt.Errorf("reading images/%s.yaml: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.layers)) {
		if err := s.validateLayer(s.layers[name]); err != nil {
			return fmt.Errorf("reading images/layers/%s.yaml: %w", name, err)
		}
	}
	return nil
}

func (s specs) validateImage(name string, image ImageSpec) error {
	switch {
	case image.Name != name:
		return fmt.Errorf("name is %q: it must be the file's", image.Name)
	case image.User == "":
		return fmt.Errorf("user is missing: say which numeric user the image runs as")
	case image.Tag == TagSpec{}:
		return fmt.Errorf("tag is missing")
	case len(image.Layers) == 0:
		return fmt.Errorf("layers are missing")
	}
	for _, layer := range image.Layers {
		if _, ok := s.layers[layer]; !ok {
			return fmt.Errorf("layers: there is no images/layers/%s.yaml", layer)
		}
	}
	return nil
}

func (s specs) validateLayer(layer LayerSpec) error {
	for i, file := range layer.Files {
		origins := 0
		for _, origin := range []string{file.Program, file.Text, file.Layer} {
			if origin != "" {
				origins++
			}
		}
		if origins != 1 {
			return fmt.Errorf("files[%d]: exactly one of program, text and layer says where %s is from", i, file.Path)
		}
		if file.Layer == "" {
			continue
		}
		if from, ok := s.layers[file.Layer]; !ok || len(from.Files) > 0 {
			return fmt.Errorf("files[%d].layer: %q is not a layer of Debian packages", i, file.Layer)
		}
	}
	for _, name := range slices.Concat(filePaths(layer), slices.Collect(maps.Keys(layer.Links))) {
		if !path.IsAbs(name) || path.Clean(name) != name {
			return fmt.Errorf("path %q is not absolute and clean", name)
		}
	}
	return nil
}

func filePaths(layer LayerSpec) []string {
	var names []string
	for _, file := range layer.Files {
		names = append(names, file.Path)
	}
	for _, folder := range layer.Folders {
		names = append(names, folder.Path)
	}
	return names
}
