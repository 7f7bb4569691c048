package registry

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxLinks bounds how many links lead to a file of an archive.
const maxLinks = 8

// dockerImage is an image of a Docker archive. go-containerregistry's own reader looks at the first layer and takes
// all others to be compressed as that one is; this one looks at each.
type dockerImage struct {
	config    []byte
	manifest  []byte
	mediaType types.MediaType
	layers    map[v1.Hash]v1.Layer
}

// readDockerImage reads an image's configuration and looks through all of its layers: those that are not compressed
// will be, and each has to be the one that the configuration names. No layer is kept in memory.
func readDockerImage(file string, entry tarball.Descriptor) (v1.Image, error) {
	config, err := readMember(file, entry.Config)
	if err != nil {
		return nil, err
	}
	parsed, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return nil, fmt.Errorf("its configuration %s can't be read: %w", entry.Config, err)
	}
	if named := len(parsed.RootFS.DiffIDs); named != len(entry.Layers) {
		return nil, fmt.Errorf("it has %d layers, and its configuration names %d", len(entry.Layers), named)
	}
	image := &dockerImage{config: config, layers: map[v1.Hash]v1.Layer{}}
	descriptors := []v1.Descriptor{}
	for i, name := range entry.Layers {
		layer, err := readLayer(file, name, parsed.RootFS.DiffIDs[i])
		if err != nil {
			return nil, fmt.Errorf("its layer %s can't be used: %w", name, err)
		}
		descriptor, err := partial.Descriptor(layer)
		if err != nil {
			return nil, fmt.Errorf("describing layer %s: %w", name, err)
		}
		image.layers[descriptor.Digest] = layer
		descriptors = append(descriptors, *descriptor)
	}
	manifest, err := newManifest(config, descriptors)
	if err != nil {
		return nil, err
	}
	image.mediaType = manifest.MediaType
	if image.manifest, err = json.Marshal(manifest); err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return partial.CompressedToImage(image)
}

// newManifest uses Docker's media types, or OCI's where a layer is in a form that Docker's have no name for.
func newManifest(config []byte, layers []v1.Descriptor) (*v1.Manifest, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, fmt.Errorf("hashing the configuration: %w", err)
	}
	manifest := &v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2, Layers: layers,
		Config: v1.Descriptor{MediaType: types.DockerConfigJSON, Size: size, Digest: digest}}
	for _, layer := range layers {
		if layer.MediaType == types.OCILayerZStd {
			manifest.MediaType, manifest.Config.MediaType = types.OCIManifestSchema1, types.OCIConfigJSON
		}
	}
	for i := range layers {
		if manifest.MediaType == types.OCIManifestSchema1 && layers[i].MediaType == types.DockerLayer {
			layers[i].MediaType = types.OCILayer
		}
	}
	return manifest, nil
}

// zstdMagic is how a file begins that zstd has compressed.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

func readLayer(file, name string, want v1.Hash) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) { return openMember(file, name, 0) }
	begin, err := head(open, len(zstdMagic))
	if err != nil {
		return nil, err
	}
	var options []tarball.LayerOption
	if bytes.Equal(begin, zstdMagic) {
		options = append(options, tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
	}
	layer, err := tarball.LayerFromOpener(open, options...)
	if err != nil {
		return nil, err
	}
	got, err := layer.DiffID()
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, fmt.Errorf("it is %s, and the configuration names %s; the archive is damaged: save it again", got, want)
	}
	return layer, nil
}

// head returns the first n bytes; fewer when there are no more.
func head(open func() (io.ReadCloser, error), n int) ([]byte, error) {
	content, err := open()
	if err != nil {
		return nil, err
	}
	begin := make([]byte, n)
	n, err = io.ReadFull(content, begin)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return begin[:n], errors.Join(err, content.Close())
}

// RawConfigFile implements partial.CompressedImageCore, as do the following.
func (i *dockerImage) RawConfigFile() ([]byte, error) { return i.config, nil }

func (i *dockerImage) RawManifest() ([]byte, error) { return i.manifest, nil }

func (i *dockerImage) MediaType() (types.MediaType, error) { return i.mediaType, nil }

func (i *dockerImage) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	layer, ok := i.layers[digest]
	if !ok {
		return nil, fmt.Errorf("the image has no layer %s", digest)
	}
	return layer, nil
}

func readMember(file, name string) ([]byte, error) {
	content, err := openMember(file, name, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(content)
	return data, errors.Join(err, content.Close())
}

// member is a file in an archive; closing it closes the archive.
type member struct {
	io.Reader
	io.Closer
}

// openMember opens a file of an archive. Archives of old versions of Docker hold a layer that several images have
// once, and links to it.
func openMember(file, name string, links int) (io.ReadCloser, error) {
	archive, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	reader := tar.NewReader(archive)
	header, err := reader.Next()
	for err == nil && path.Clean(header.Name) != path.Clean(name) {
		header, err = reader.Next()
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the archive has no file %s", name)
	}
	if err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	switch header.Typeflag {
	case tar.TypeSymlink:
		name = path.Join(path.Dir(header.Name), header.Linkname)
	case tar.TypeLink:
		name = header.Linkname
	default:
		return member{reader, archive}, nil
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if links == maxLinks {
		return nil, fmt.Errorf("more than %d links lead to %s", maxLinks, name)
	}
	return openMember(file, name, links+1)
}
