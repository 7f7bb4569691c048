package release

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// RegistryHost is the name that every image reference begins with. Nodes resolve it in
// containerd's own configuration, not by DNS.
const RegistryHost = "registry.naru.local"

// searchPath is PATH in every image: kubeadm's static pods call programs by name only.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// contentTag is how many digits of a content hash are in a tag.
const contentTag = 12

// makeImage assembles an image. It reads and writes nothing: equal layers and an equal
// spec give an equal digest.
func makeImage(spec ImageSpec, layers []layer) (v1.Image, error) {
	image, err := mutate.ConfigFile(
		mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		&v1.ConfigFile{
			Architecture: runtime.GOARCH,
			OS:           "linux",
			RootFS:       v1.RootFS{Type: "layers"},
			Config: v1.Config{
				Entrypoint: spec.Entrypoint,
				User:       spec.User + ":" + spec.User,
				Env:        append([]string{searchPath}, spec.Env...),
				WorkingDir: "/",
				StopSignal: spec.StopSignal,
			},
		})
	if err != nil {
		return nil, fmt.Errorf("assembling image %s: %w", spec.Name, err)
	}
	for _, layer := range layers {
		image, err = mutate.AppendLayers(image, &layerBlob{layer})
		if err != nil {
			return nil, fmt.Errorf("assembling image %s: %w", spec.Name, err)
		}
	}
	return image, nil
}

// tag is an image's tag: the version of a program of it, a literal, a hash of its
// layers and of how it is run, or several of these.
func tag(spec ImageSpec, version string, layers []layer) string {
	var parts []string
	if version != "" {
		parts = append(parts, version)
	}
	if spec.Tag.Literal != "" {
		parts = append(parts, spec.Tag.Literal)
	}
	if spec.Tag.Content {
		digests := []string{"content", spec.StopSignal}
		for _, layer := range layers {
			digests = append(digests, layer.Digest.Hex)
		}
		parts = append(parts, key(digests...)[:contentTag])
	}
	return strings.Join(parts, "-")
}

// specKey is a spec as text that does not depend on how its file is written.
func specKey(spec any) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("hashing an image spec: %w", err)
	}
	return string(text), nil
}
