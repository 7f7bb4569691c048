//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/registry"
)

// testImages pushes an image as users do, runs it, and deletes it.
func testImages(t *testing.T, w *world, c *cluster) {
	const name = "e2e/mixed:1"
	reference := "registry.naru.local/" + name
	listed := func() string { return w.naru(t, "image", "list", "-o", "name").Stdout }
	archive := mixedArchive(t, w.image(t, "busybox"))
	t.Run("when one layer of an archive is compressed and another is not, pods run it", func(t *testing.T) {
		if said := strings.TrimSpace(w.naru(t, "image", "push", archive, "--as", name).Stdout); said != reference {
			t.Errorf("it was pushed as %q, want %s", said, reference)
		}
		if !strings.Contains(listed(), reference+"\n") {
			t.Errorf("%s is not listed", reference)
		}
		create(t, c, pod("mixed", reference, forever()...))
		awaitPods(t, c, "mixed")
		if said, err := w.shell(t.Context(), c, "mixed", "cat /version"); err != nil || said != "mixed" {
			t.Errorf("it says %q, %v", said, err)
		}
		w.kubectl(t, c, "delete", "pod", "mixed", "--wait=false")
	})
	t.Run("when a name is one of Naru's own, it is neither pushed to nor deleted", func(t *testing.T) {
		before := w.naru(t, "image", "list", "-o", "json").Stdout
		for _, args := range [][]string{{"push", archive, "--as", "etcd:mine"}, {"push", archive, "--as", w.image(t, "etcd")}, {"delete", w.image(t, "etcd")}} {
			result, err := w.cli.Naru(t.Context(), append([]string{"image"}, args...)...)
			if err == nil || result.Code != exitcode.Usage || !strings.Contains(result.Stderr, "not yours to change") {
				t.Errorf("naru image %v: code %d, %s", args, result.Code, result.Stderr)
			}
		}
		if after := w.naru(t, "image", "list", "-o", "json").Stdout; after != before {
			t.Errorf("the images were\n%s\nand are\n%s", before, after)
		}
	})
	t.Run("when it is deleted, it is not listed any more, and only once", func(t *testing.T) {
		w.naru(t, "image", "delete", name)
		if strings.Contains(listed(), reference) {
			t.Errorf("%s is still listed", reference)
		}
		result, err := w.cli.Naru(t.Context(), "image", "delete", name)
		if err == nil || result.Code != exitcode.Failed || !strings.Contains(result.Stderr, "there is no image") {
			t.Errorf("code %d, %s", result.Code, result.Stderr)
		}
	})
}

// mixedArchive writes a Docker archive of an image with a file on top, whose layers are plain but for the last.
func mixedArchive(t *testing.T, base string) string {
	t.Helper()
	p, err := platform.Open()
	if err != nil {
		t.Fatal(err)
	}
	from, err := registry.Open(p.State)
	if err != nil {
		t.Fatal(err)
	}
	image, err := from.Pull(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	var top bytes.Buffer
	w := tar.NewWriter(&top)
	entry(t, w, "version", []byte("mixed"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(top.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		t.Fatal(err)
	}
	return saveMixed(t, image)
}

func saveMixed(t *testing.T, image v1.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mixed.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := tar.NewWriter(file)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, layer := range layers {
		open := layer.Uncompressed
		if i == len(layers)-1 {
			open = layer.Compressed
		}
		content, err := open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, string(rune('a'+i))+"/layer.tar")
		entry(t, w, names[i], data)
	}
	config, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	entry(t, w, "config.json", config)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{"mixed:1"}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	entry(t, w, "manifest.json", manifest)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func entry(t *testing.T, w *tar.Writer, name string, content []byte) {
	t.Helper()
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
}
