package release

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var etcdSpec = ImageSpec{
	Name: "etcd", Tag: TagSpec{Program: "etcd", Content: true}, Layers: []string{"etcd"},
	Entrypoint: []string{"/usr/local/bin/etcd"}, User: "0",
}

// makeTree makes a layer of a program, a link and a folder, with times as given.
func makeTree(t *testing.T, program string, at time.Time) layer {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "rootfs/usr/local/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(bin, "etcd")
	err := errors.Join(
		os.WriteFile(file, []byte(program), 0o755),
		os.Symlink("etcd", filepath.Join(bin, "alias")),
		os.Chtimes(file, at, at), os.Chtimes(bin, at, at),
		seal(dir))
	if err != nil {
		t.Fatal(err)
	}
	made, err := readLayer(dir)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func digest(t *testing.T, spec ImageSpec, layers ...layer) v1.Hash {
	t.Helper()
	image, err := makeImage(spec, layers)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestImageDigest(t *testing.T) {
	first := makeTree(t, "program", time.Unix(1, 0))
	later := makeTree(t, "program", time.Unix(99999, 0))
	edited := makeTree(t, "another", time.Unix(1, 0))
	other := etcdSpec
	other.User = "65532"

	if digest(t, etcdSpec, first) != digest(t, etcdSpec, later) {
		t.Error("when the same is built elsewhere and later, the digest differs")
	}
	if digest(t, etcdSpec, first) == digest(t, etcdSpec, edited) {
		t.Error("when a program changes, the digest stays")
	}
	if digest(t, etcdSpec, first) == digest(t, other, first) {
		t.Error("when the user changes, the digest stays")
	}
}

func TestTag(t *testing.T) {
	one, two := makeTree(t, "one", time.Unix(1, 0)), makeTree(t, "two", time.Unix(1, 0))
	if got := tag(ImageSpec{Tag: TagSpec{Program: "etcd"}}, "v3.6.16", nil); got != "v3.6.16" {
		t.Errorf("when only a version is asked for, it is %q", got)
	}
	if got := tag(ImageSpec{Tag: TagSpec{Literal: "1"}}, "", []layer{one}); got != "1" {
		t.Errorf("when only a literal is asked for, it is %q", got)
	}
	a, b := tag(etcdSpec, "v3.6.16", []layer{one}), tag(etcdSpec, "v3.6.16", []layer{two})
	if a == b || !strings.HasPrefix(a, "v3.6.16-") {
		t.Errorf("when the content is asked for too, tags are %q and %q", a, b)
	}
}

// oneImage is a Built of one image.
func oneImage(t *testing.T) *Built {
	t.Helper()
	made := makeTree(t, "program", time.Unix(1, 0))
	image, err := makeImage(etcdSpec, []layer{made})
	if err != nil {
		t.Fatal(err)
	}
	return &Built{
		Minor:  "1.37",
		Images: []Image{{Name: "etcd", Ref: RegistryHost + "/etcd:v3", Digest: digest(t, etcdSpec, made)}},
		images: map[string]v1.Image{"etcd": image},
	}
}

func TestImport(t *testing.T) {
	built := oneImage(t)
	var first, second bytes.Buffer
	if err := errors.Join(built.Import(&first, "etcd", "etcd"), built.Import(&second, "etcd", "etcd")); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("when it is written twice, the archives differ")
	}
	blobs := map[string][]byte{}
	for in := tar.NewReader(&first); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if blobs[header.Name] != nil {
			t.Errorf("%s is in the archive twice", header.Name)
		}
		if blobs[header.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(blobs["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	got := index.Manifests[0]
	if got.Annotations["io.containerd.image.name"] != built.Images[0].Ref || got.Digest != built.Images[0].Digest {
		t.Errorf("the index says %s %v", got.Digest, got.Annotations)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(blobs["blobs/sha256/"+got.Digest.Hex], &manifest); err != nil {
		t.Fatal(err)
	}
	for _, blob := range append(manifest.Layers, manifest.Config) {
		if int64(len(blobs["blobs/sha256/"+blob.Digest.Hex])) != blob.Size {
			t.Errorf("%s is missing or short", blob.Digest)
		}
	}
	if err := built.Import(io.Discard, "nothing"); err == nil {
		t.Error("when an image is not known, there is no error")
	}
}

func TestPush(t *testing.T) {
	built := oneImage(t)
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	if err := built.Push(t.Context(), Registry{Host: host}); err != nil {
		t.Fatal(err)
	}
	reference, err := name.ParseReference(host + "/etcd:v3")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Head(reference)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != built.Images[0].Digest {
		t.Errorf("when an image is pushed, its digest there is %s, here %s", got.Digest, built.Images[0].Digest)
	}
}

func TestSpecsOfTheSourceTree(t *testing.T) {
	all, err := readSpecs(os.DirFS(repository()))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"pause": true}
	for name := range own {
		known[name] = true
	}
	for _, component := range Catalogue(DefaultMinor) {
		for _, program := range component.Programs {
			known[program.Name] = true
		}
	}
	for name, layer := range all.layers {
		for _, file := range layer.Files {
			if file.Program != "" && !known[file.Program] {
				t.Errorf("layer %s: nothing builds %q", name, file.Program)
			}
		}
	}
	for name, image := range all.images {
		if image.Tag.Program != "" && !known[image.Tag.Program] {
			t.Errorf("image %s: nothing builds %q", name, image.Tag.Program)
		}
	}
	if _, ok := all.images[nodeImage]; !ok {
		t.Errorf("there is no image %s", nodeImage)
	}
	if _, ok := all.layers[hostLayer]; !ok {
		t.Errorf("there is no layer %s", hostLayer)
	}
}

func TestReadSpecs(t *testing.T) {
	const image = "name: a\ntag: {literal: \"1\"}\nlayers: [l]\nuser: \"0\"\n"
	const layer = "files: [{path: /a, text: b}]\n"
	for reason, c := range map[string]struct{ image, layer, want string }{
		"when all is right, it is read":               {image, layer, ""},
		"when a field is unknown, it is named":        {image + "usr: 1\n", layer, `images/a.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field "usr"`},
		"when the name is another, it is said":        {strings.Replace(image, "name: a", "name: b", 1), layer, `name is "b"`},
		"when the user is missing, it is said":        {strings.Replace(image, "user: \"0\"", "", 1), layer, "user is missing"},
		"when the tag is missing, it is said":         {strings.Replace(image, "literal: \"1\"", "", 1), layer, "tag is missing"},
		"when a layer is unknown, it is named":        {strings.Replace(image, "[l]", "[m]", 1), layer, "no images/layers/m.yaml"},
		"when a file is from two places, it is said":  {image, "files: [{path: /a, text: b, program: c}]", "files[0]: exactly one"},
		"when a file is from nowhere, it is said":     {image, "files: [{path: /a}]", "files[0]: exactly one"},
		"when a path leaves the tree, it is named":    {image, "files: [{path: /../a, text: b}]", `"/../a"`},
		"when a link's path is relative, it is named": {image, "links: {a: b}", `"a"`},
	} {
		t.Run(reason, func(t *testing.T) {
			_, err := readSpecs(fstest.MapFS{
				"images/a.yaml":        {Data: []byte(c.image)},
				"images/layers/l.yaml": {Data: []byte(c.layer)},
			})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("err = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestFindSource(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a/b")
	if err := errors.Join(os.MkdirAll(below, 0o755),
		os.WriteFile(filepath.Join(root, "a/go.mod"), []byte("module "+modulePath+"\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NARU_SOURCE", "")
	t.Chdir(below)
	got, err := FindSource("")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(filepath.Join(root, "a"), got); diff != "" {
		t.Errorf("when it is above the working directory (-want +got):\n%s", diff)
	}
	t.Setenv("NARU_SOURCE", root)
	var missing *NoSourceError
	if _, err := FindSource(""); !errors.As(err, &missing) {
		t.Errorf("when NARU_SOURCE is wrong, err = %v", err)
	}
}
