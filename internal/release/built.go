package release

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Built is a release in the cache. It is read-only and needs no closing.
type Built struct {
	// Minor is "1.37".
	Minor string
	// Kubernetes is the full version, "v1.37.1".
	Kubernetes string
	// NodeRootfs are the folders of an embedded host's root file system, made to be the
	// lower directories of an overlay: topmost first. Never write to them.
	NodeRootfs []string
	// Images are the OCI images of the release, sorted by name.
	Images []Image

	programs map[string]string
	images   map[string]v1.Image
}

// Image is one OCI image in the cache.
type Image struct {
	// Name is the short name: "etcd".
	Name string
	// Ref is what a pod spec says: "registry.naru.local/etcd:v3.6.16".
	Ref string
	// Digest is the manifest's, "sha256:…". The same inputs give the same digest.
	Digest v1.Hash
	// Size is that of all layers, in bytes.
	Size int64
}

// Image returns the image of a short name.
func (b *Built) Image(name string) (Image, error) {
	for _, image := range b.Images {
		if image.Name == name {
			return image, nil
		}
	}
	return Image{}, fmt.Errorf("release %s has no image %q", b.Minor, name)
}

// Refs maps each image's short name to its full reference.
func (b *Built) Refs() map[string]string {
	refs := make(map[string]string, len(b.Images))
	for _, image := range b.Images {
		refs[image.Name] = image.Ref
	}
	return refs
}

// Program returns the path, in the cache, of a program that was built for this machine:
// "kubectl", "kubeadm", "etcdctl", "naru" and so on.
func (b *Built) Program(name string) (string, error) {
	path, ok := b.programs[name]
	if !ok {
		return "", fmt.Errorf("release %s has no program %q", b.Minor, name)
	}
	return path, nil
}
