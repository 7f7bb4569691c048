package release

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Import writes the named images (all, when none is named) as one OCI archive, as
// `ctr images import -` reads it; each image keeps its Ref as its name and its Digest.
func (b *Built) Import(w io.Writer, names ...string) error {
	images, err := b.selected(names)
	if err != nil {
		return err
	}
	out := &archive{tar: tar.NewWriter(w), written: map[v1.Hash]bool{}}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, image := range images {
		descriptor, err := out.image(b.images[image.Name])
		if err != nil {
			return fmt.Errorf("writing image %s: %w", image.Name, err)
		}
		// The first is containerd's own, the second OCI's.
		descriptor.Annotations = map[string]string{
			"io.containerd.image.name":          image.Ref,
			"org.opencontainers.image.ref.name": image.Ref[strings.LastIndex(image.Ref, ":")+1:],
		}
		index.Manifests = append(index.Manifests, *descriptor)
	}
	return out.finish(index)
}

// Registry says where and how images are pushed.
type Registry struct {
	// Host is what is dialled, "127.0.0.1:5001". An image keeps its own repository name
	// and tag there: registry.naru.local/etcd:v3 becomes 127.0.0.1:5001/etcd:v3.
	Host string
	// Auth is who pushes. Nil: nobody.
	Auth authn.Authenticator
	// Transport carries the registry's CA. Nil: the system's.
	Transport http.RoundTripper
}

// Push puts the named images (all, when none is named) into a registry. Blobs that are
// there already are not sent again.
func (b *Built) Push(ctx context.Context, to Registry, names ...string) error {
	images, err := b.selected(names)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx)}
	if to.Auth != nil {
		options = append(options, remote.WithAuth(to.Auth))
	}
	if to.Transport != nil {
		options = append(options, remote.WithTransport(to.Transport))
	}
	for _, image := range images {
		target, err := name.ParseReference(to.Host + strings.TrimPrefix(image.Ref, RegistryHost))
		if err != nil {
			return fmt.Errorf("pushing image %s: %w", image.Name, err)
		}
		if err := remote.Write(target, b.images[image.Name], options...); err != nil {
			return fmt.Errorf("pushing image %s to %s: %w", image.Name, to.Host, err)
		}
	}
	return nil
}

// selected returns the images of these names, in their order; without names, all.
func (b *Built) selected(names []string) ([]Image, error) {
	if len(names) == 0 {
		return b.Images, nil
	}
	images := make([]Image, 0, len(names))
	for _, name := range names {
		image, err := b.Image(name)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return images, nil
}

// archive writes an OCI layout as a tar stream, each blob once.
type archive struct {
	tar     *tar.Writer
	written map[v1.Hash]bool
}

func (a *archive) image(image v1.Image) (*v1.Descriptor, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		if err := a.layer(layer); err != nil {
			return nil, err
		}
	}
	config, err := partial.ConfigLayer(image)
	if err != nil {
		return nil, err
	}
	if err := a.layer(config); err != nil {
		return nil, err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return nil, err
	}
	descriptor, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	return descriptor, a.blob(descriptor.Digest, descriptor.Size, bytes.NewReader(manifest))
}

func (a *archive) layer(layer v1.Layer) (err error) {
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	size, err := layer.Size()
	if err != nil {
		return err
	}
	content, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return a.blob(digest, size, content)
}

func (a *archive) blob(digest v1.Hash, size int64, content io.Reader) error {
	if a.written[digest] {
		return nil
	}
	a.written[digest] = true
	return a.file("blobs/"+digest.Algorithm+"/"+digest.Hex, size, content)
}

func (a *archive) file(name string, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(a.tar, content)
	return err
}

func (a *archive) finish(index v1.IndexManifest) error {
	data, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("writing the index of images: %w", err)
	}
	const layout = `{"imageLayoutVersion":"1.0.0"}`
	return errors.Join(
		a.file("oci-layout", int64(len(layout)), strings.NewReader(layout)),
		a.file("index.json", int64(len(data)), bytes.NewReader(data)),
		a.tar.Close())
}
