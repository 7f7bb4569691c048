package release

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a file tree in the cache, and the same as the blob of an OCI layer:
//
//	<key>/rootfs/      the tree: a lower directory of an overlay
//	<key>/layer.tar    the tree as an uncompressed tar file
//	<key>/layer.json   the tar file's digest and size
type layer struct {
	dir    string
	Digest v1.Hash `json:"digest"`
	Length int64   `json:"size"`
}

// layerBlob is a layer as go-containerregistry wants it. Nothing compresses it: it is read
// from the same disk or memory, where compression costs more time than it saves.
type layerBlob struct{ layer layer }

func (l *layerBlob) Digest() (v1.Hash, error)             { return l.layer.Digest, nil }
func (l *layerBlob) DiffID() (v1.Hash, error)             { return l.layer.Digest, nil }
func (l *layerBlob) Size() (int64, error)                 { return l.layer.Length, nil }
func (l *layerBlob) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (l *layerBlob) Compressed() (io.ReadCloser, error)   { return os.Open(l.layer.tar()) }
func (l *layerBlob) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

func (l layer) rootfs() string { return filepath.Join(l.dir, "rootfs") }
func (l layer) tar() string    { return filepath.Join(l.dir, "layer.tar") }

// readLayer reads a finished layer of the cache.
func readLayer(dir string) (layer, error) {
	data, err := os.ReadFile(filepath.Join(dir, "layer.json"))
	if err != nil {
		return layer{}, fmt.Errorf("reading a layer: %w", err)
	}
	l := layer{dir: dir}
	if err := json.Unmarshal(data, &l); err != nil {
		return layer{}, fmt.Errorf("reading a layer: %w", err)
	}
	return l, nil
}

// seal writes the tar file and its digest beside a finished tree.
func seal(dir string) (err error) {
	l := layer{dir: dir}
	file, err := os.Create(l.tar())
	if err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	if err := writeTree(io.MultiWriter(file, sum), l.rootfs()); err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	l.Length = info.Size()
	l.Digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "layer.json"), data, 0o644)
}

// writeTree writes a tree as a tar file that depends on names, contents, modes and owners
// only: entries are sorted, times are zero.
func writeTree(w io.Writer, root string) error {
	out := tar.NewWriter(w)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return writeEntry(out, path, name, info)
	})
	return errors.Join(err, out.Close())
}

func writeEntry(out *tar.Writer, path, name string, info fs.FileInfo) error {
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	*header = tar.Header{
		Typeflag: header.Typeflag, Name: name, Linkname: target, Size: header.Size, Mode: header.Mode,
		Uid: int(owner.Uid), Gid: int(owner.Gid), ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	if info.IsDir() {
		header.Name += "/"
	}
	if err := out.WriteHeader(header); err != nil || header.Typeflag != tar.TypeReg {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(out, file)
	return err
}
