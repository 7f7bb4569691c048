package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// savedLayer is a layer of an archive and the form that it has there.
type savedLayer struct {
	content string
	form    compression.Compression
}

// tarOf is a layer's content: one file.
func tarOf(t *testing.T, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	writeEntry(t, w, tar.Header{Name: "file", Typeflag: tar.TypeReg}, []byte(content))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func compressed(t *testing.T, data []byte, form compression.Compression) []byte {
	t.Helper()
	if form == compression.None {
		return data
	}
	plain := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	layer, err := tarball.LayerFromOpener(plain, tarball.WithCompression(form))
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func writeEntry(t *testing.T, w *tar.Writer, header tar.Header, content []byte) {
	t.Helper()
	header.Size, header.Mode = int64(len(content)), 0o644
	if err := w.WriteHeader(&header); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
}

// saved writes a Docker archive by hand, with its second layer behind a link where linked is set. named are the
// contents that the configuration names.
func saved(t *testing.T, layers []savedLayer, named []string, linked bool) string {
	t.Helper()
	config := v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	for _, content := range named {
		sum := sha256.Sum256(tarOf(t, content))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])})
	}
	encode := func(value any) []byte {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	path := filepath.Join(t.TempDir(), "saved.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := tar.NewWriter(file)
	var names []string
	for i, layer := range layers {
		name := string(rune('a'+i)) + "/layer.tar"
		names = append(names, name)
		if linked && i == 1 {
			writeEntry(t, w, tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: "../real/layer.tar"}, nil)
			name = "real/layer.tar"
		}
		writeEntry(t, w, tar.Header{Name: name, Typeflag: tar.TypeReg}, compressed(t, tarOf(t, layer.content), layer.form))
	}
	writeEntry(t, w, tar.Header{Name: "config.json", Typeflag: tar.TypeReg}, encode(config))
	writeEntry(t, w, tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg},
		encode([]map[string]any{{"Config": "config.json", "RepoTags": []string{"mixed:1"}, "Layers": names}}))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPushMixed pulls what was pushed as a node does: each layer has the form that its media type says, and holds
// what the configuration names.
func TestPushMixed(t *testing.T) {
	for name, c := range map[string]struct {
		forms  []compression.Compression
		linked bool
		want   types.MediaType
	}{
		"when the first layer is compressed and the second is not":      {forms: []compression.Compression{compression.GZip, compression.None}, want: types.DockerManifestSchema2},
		"when the second layer is compressed and the first is not":      {forms: []compression.Compression{compression.None, compression.GZip}, want: types.DockerManifestSchema2},
		"when a layer stands behind a link":                             {forms: []compression.Compression{compression.None, compression.GZip}, linked: true, want: types.DockerManifestSchema2},
		"when layers are compressed in two ways, and the third in none": {forms: []compression.Compression{compression.GZip, compression.ZStd, compression.None}, want: types.OCIManifestSchema1},
	} {
		t.Run(name+", each arrives as it was", func(t *testing.T) {
			var layers []savedLayer
			var contents []string
			for i, form := range c.forms {
				contents = append(contents, "layer "+string(rune('a'+i)))
				layers = append(layers, savedLayer{contents[i], form})
			}
			archive, err := OpenArchive(saved(t, layers, contents, c.linked), host, "")
			if err != nil {
				t.Fatal(err)
			}
			defer archive.Close()
			to := server(t)
			references, err := to.Push(t.Context(), archive, Rules{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			pulled, err := to.Pull(t.Context(), references[0])
			if err != nil {
				t.Fatal(err)
			}
			if got, err := pulled.MediaType(); err != nil || got != c.want {
				t.Errorf("the manifest is a %s, want %s (%v)", got, c.want, err)
			}
			if diff := cmp.Diff(contents, unpacked(t, pulled)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// unpacked reads the file in each layer, by its media type alone.
func unpacked(t *testing.T, image v1.Image) []string {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, layer := range layers {
		mediaType, err := layer.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		var plain io.Reader
		switch mediaType {
		case types.DockerLayer, types.OCILayer:
			plain, err = gzip.NewReader(raw)
		case types.OCILayerZStd:
			plain, err = layer.Uncompressed() // which looks at the content, not at the type
			if begin, _ := io.ReadAll(io.LimitReader(raw, 4)); !bytes.Equal(begin, zstdMagic) {
				t.Errorf("a layer that is a %s begins with %x", mediaType, begin)
			}
		default:
			t.Fatalf("a layer is a %s", mediaType)
		}
		if err != nil {
			t.Fatalf("reading a layer that is a %s: %v", mediaType, err)
		}
		files := tar.NewReader(plain)
		if _, err := files.Next(); err != nil {
			t.Fatalf("reading a layer that is a %s: %v", mediaType, err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(content))
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return contents
}

func TestOpenArchiveDamaged(t *testing.T) {
	one := []savedLayer{{"a", compression.GZip}}
	for name, c := range map[string]struct {
		named []string
		want  string
	}{
		"when a layer is not the one that is named": {[]string{"b"}, "the archive is damaged"},
		"when a layer is missing":                   {[]string{"a", "b"}, "it has 1 layers, and its configuration names 2"},
	} {
		t.Run(name+", it is refused", func(t *testing.T) {
			if _, err := OpenArchive(saved(t, one, c.named, false), host, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
