package registry

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"naru.dev/naru/internal/exitcode"
)

// Names under which archives keep an image's reference: containerd's, then OCI's.
const (
	annotationContainerd = "io.containerd.image.name"
	annotationOCI        = "org.opencontainers.image.ref.name"
)

// maxUnpacked bounds what an archive may unpack to.
const maxUnpacked = 64 << 30

// Image is one image of an archive: a single one or an index of several platforms.
type Image struct {
	// Name is the reference in the registry: registry.naru.local/hello:1.
	Name  string
	image v1.Image
	index v1.ImageIndex
}

// digest is of what is pushed.
func (i Image) digest() (v1.Hash, error) {
	if i.index != nil {
		return i.index.Digest()
	}
	return i.image.Digest()
}

// Archive is an opened file or folder of images.
type Archive struct {
	Images  []Image
	scratch string
}

// Close removes what reading the archive left on disk.
func (a *Archive) Close() error {
	if a.scratch == "" {
		return nil
	}
	return os.RemoveAll(a.scratch)
}

// UnusableError says why a file can't be pushed.
type UnusableError struct{ Path, Why string }

func (e *UnusableError) Error() string { return fmt.Sprintf("%s can't be pushed: %s", e.Path, e.Why) }

// ExitCode implements the convention of package exitcode.
func (*UnusableError) ExitCode() int { return exitcode.Usage }

func unusable(file, format string, args ...any) error {
	return &UnusableError{Path: file, Why: fmt.Sprintf(format, args...)}
}

// OpenArchive reads a Docker archive (docker save), an OCI archive, or a folder with an OCI layout.
// as, when not empty, names its only image. The names' host is replaced with host.
// Errors: *UnusableError.
func OpenArchive(file, host, as string) (*Archive, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, unusable(file, "%v", errors.Unwrap(err))
	}
	archive := &Archive{}
	if info.IsDir() {
		err = archive.readLayout(file, file)
	} else {
		err = archive.readFile(file)
	}
	if err == nil {
		err = archive.rename(file, host, as)
	}
	if err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	return archive, nil
}

func (a *Archive) readFile(file string) error {
	names, err := entries(file)
	if err != nil {
		return unusable(file, "it is no OCI or Docker archive, as \"docker save -o FILE IMAGE\" makes (%v)", err)
	}
	switch {
	case names["oci-layout"] || names["index.json"]:
		if a.scratch, err = os.MkdirTemp("", "naru-image-*"); err != nil {
			return fmt.Errorf("making a folder to unpack %s: %w", file, err)
		}
		if err := unpack(file, a.scratch); err != nil {
			return fmt.Errorf("unpacking %s: %w", file, err)
		}
		return a.readLayout(file, a.scratch)
	case names["manifest.json"]:
		return a.readDocker(file)
	}
	return unusable(file, "it is a tar archive, but neither an OCI one (no index.json) nor a Docker one (no manifest.json)")
}

func (a *Archive) readDocker(file string) error {
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(file) })
	if err != nil {
		return unusable(file, "its manifest.json can't be read: %v", err)
	}
	for _, entry := range manifest {
		image, err := readDockerImage(file, entry)
		if err != nil {
			return unusable(file, "%v", err)
		}
		if len(entry.RepoTags) == 0 && len(manifest) == 1 {
			a.Images = append(a.Images, Image{image: image})
		}
		for _, text := range entry.RepoTags {
			a.Images = append(a.Images, Image{Name: text, image: image})
		}
	}
	return nil
}

func (a *Archive) readLayout(file, folder string) error {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return unusable(file, "it holds no OCI layout: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return unusable(file, "its index.json can't be read: %v", err)
	}
	for _, descriptor := range manifest.Manifests {
		entry := Image{Name: descriptor.Annotations[annotationContainerd]}
		if entry.Name == "" {
			entry.Name = descriptor.Annotations[annotationOCI]
		}
		if descriptor.MediaType.IsIndex() {
			entry.index, err = index.ImageIndex(descriptor.Digest)
		} else {
			entry.image, err = index.Image(descriptor.Digest)
		}
		if err != nil {
			return unusable(file, "%v", err)
		}
		a.Images = append(a.Images, entry)
	}
	return nil
}

func (a *Archive) rename(file, host, as string) error {
	switch {
	case len(a.Images) == 0:
		return unusable(file, "it holds no image")
	case as != "" && len(a.Images) > 1:
		return unusable(file, "it holds %d images, and --as names only one", len(a.Images))
	}
	for i := range a.Images {
		wanted := a.Images[i].Name
		if as != "" {
			wanted = as
		}
		// OCI's annotation is often a tag alone, which names no image.
		if wanted == "" || as == "" && !strings.ContainsAny(wanted, ":/") {
			return unusable(file, "its image has no name: give it one, as --as shop:1")
		}
		reference, err := Local(host, wanted)
		if err != nil {
			return unusable(file, "%v", err)
		}
		a.Images[i].Name = reference
	}
	return nil
}

// Local returns the reference that an image has in the registry called host: hello:1,
// docker.io/library/hello:1 and HOST/hello:1 all become HOST/hello:1. Without a tag it is latest.
func Local(host, reference string) (string, error) {
	parsed, err := name.NewTag(reference)
	if err != nil {
		return "", fmt.Errorf("%q is no image reference with a tag, as shop:1", reference)
	}
	repository := parsed.RepositoryStr()
	if parsed.RegistryStr() == name.DefaultRegistry {
		repository = strings.TrimPrefix(repository, "library/")
	}
	return host + "/" + repository + ":" + parsed.TagStr(), nil
}

func entries(file string) (map[string]bool, error) {
	names := map[string]bool{}
	err := walk(file, func(header *tar.Header, _ io.Reader) error {
		names[path.Clean(header.Name)] = true
		return nil
	})
	if err == nil && len(names) == 0 {
		err = errors.New("it is empty")
	}
	return names, err
}

func walk(file string, visit func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	reader := tar.NewReader(f)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(header, reader); err != nil {
			return err
		}
	}
}

// unpack writes an archive's regular files. The folder is opened as a root, so that no name in the
// archive leads out of it.
func unpack(file, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnpacked)
	return walk(file, func(header *tar.Header, content io.Reader) error {
		if header.Typeflag != tar.TypeReg {
			return nil
		}
		if left -= header.Size; left < 0 {
			return fmt.Errorf("it unpacks to more than %d GiB", maxUnpacked>>30)
		}
		if err := root.MkdirAll(filepath.Dir(path.Clean(header.Name)), 0o700); err != nil {
			return err
		}
		out, err := root.OpenFile(path.Clean(header.Name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Close())
	})
}
