package registry

import (
	"archive/tar"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"naru.dev/naru/api/v1alpha1"
)

// host is one that go-containerregistry would speak plain HTTP to.
const host = "registry.naru.local"

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server is a registry with TLS and a password, at an address that is not its name.
func server(t *testing.T) *Registry {
	t.Helper()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="naru"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	issued := certificate(t)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{issued}}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(issued.Leaf)
	return New(host, strings.TrimPrefix(s.URL, "https://"), pool, &authn.Basic{Username: "naru", Password: "secret"})
}

func image(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func dockerArchive(t *testing.T, reference string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(path, tag, image(t)); err != nil {
		t.Fatal(err)
	}
	return path
}

func ociFolder(t *testing.T, annotations map[string]string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "oci")
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.AppendImage(image(t), layout.WithAnnotations(annotations)); err != nil {
		t.Fatal(err)
	}
	return folder
}

func ociArchive(t *testing.T, annotations map[string]string) string {
	t.Helper()
	folder := ociFolder(t, annotations)
	out, err := os.Create(folder + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	writer := tar.NewWriter(out)
	if err := writer.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return folder + ".tar"
}

func TestPush(t *testing.T) {
	cases := map[string]struct {
		file func(t *testing.T) string
		as   string
		want string
	}{
		"when it is a Docker archive, its tag is kept": {
			func(t *testing.T) string { return dockerArchive(t, "hello:1") }, "", host + "/hello:1"},
		"when --as is given, it names the image": {
			func(t *testing.T) string { return dockerArchive(t, "hello:1") }, "team/app:v2", host + "/team/app:v2"},
		"when it is an OCI archive of containerd, its name is kept": {
			func(t *testing.T) string {
				return ociArchive(t, map[string]string{annotationContainerd: "docker.io/library/web:3", annotationOCI: "3"})
			}, "", host + "/web:3"},
		"when it is an OCI folder, its name is kept": {
			func(t *testing.T) string {
				return ociFolder(t, map[string]string{annotationOCI: host + "/a/b:c"})
			}, "", host + "/a/b:c"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			registry := server(t)
			archive, err := OpenArchive(c.file(t), host, c.as)
			if err != nil {
				t.Fatal(err)
			}
			defer archive.Close()
			references, err := registry.Push(t.Context(), archive, Rules{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			entries, err := registry.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, entry := range entries {
				got = append(got, entry.Reference)
			}
			if diff := cmp.Diff([]string{c.want}, references); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(references, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// put pushes an archive of one image under a name.
func put(t *testing.T, to *Registry, file, as string, own Own) error {
	t.Helper()
	archive, err := OpenArchive(file, host, as)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	_, err = to.Push(t.Context(), archive, Rules{Own: own}, nil)
	return err
}

func referencesIn(t *testing.T, r *Registry) []string {
	t.Helper()
	entries, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	references := []string{}
	for _, entry := range entries {
		references = append(references, entry.Reference)
	}
	return references
}

func TestOwnImages(t *testing.T) {
	own := OwnOf([]v1alpha1.Release{
		{Spec: v1alpha1.ReleaseSpec{Images: map[string]string{"etcd": host + "/etcd:v3.6.16"}}},
		{Spec: v1alpha1.ReleaseSpec{Images: map[string]string{"etcd": host + "/etcd:v3.6.15", "hello": host + "/hello:1"}}},
	})
	to := server(t)
	file := dockerArchive(t, "shop:1")
	for as, refused := range map[string]bool{
		"etcd:v3.6.16": true, "etcd:mine": true, "docker.io/library/hello:1": true, host + "/etcd:v3.6.15": true,
		"team/etcd:1": false, "etcd-backup:1": false,
	} {
		var is *OwnImageError
		if err := put(t, to, file, as, own); errors.As(err, &is) != refused || !refused && err != nil {
			t.Errorf("when %s is pushed, got %v", as, err)
		}
	}
	if diff := cmp.Diff([]string{host + "/etcd-backup:1", host + "/team/etcd:1"}, referencesIn(t, to)); diff != "" {
		t.Errorf("when a name is refused, nothing is sent:\n%s", diff)
	}
	if err := put(t, to, file, "etcd:v3.6.16", nil); err != nil {
		t.Fatal(err)
	}
	var is *OwnImageError
	if err := to.Delete(t.Context(), host+"/etcd:v3.6.16", own); !errors.As(err, &is) || !strings.Contains(err.Error(), "team/etcd:1") {
		t.Errorf("when one of Naru's own is deleted, it is refused with another name: %v", err)
	}
}

func TestDelete(t *testing.T) {
	to := server(t)
	one, other := dockerArchive(t, "shop:1"), dockerArchive(t, "shop:3")
	for as, file := range map[string]string{"shop:1": one, "shop:2": one, "shop:3": other} {
		if err := put(t, to, file, as, nil); err != nil {
			t.Fatal(err)
		}
	}
	image, err := to.Pull(t.Context(), host+"/shop:1")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	pinned := host + "/shop@" + digest.String()
	drop := func(tag string) {
		t.Helper()
		if err := to.Delete(t.Context(), host+"/shop:"+tag, nil); err != nil {
			t.Fatal(err)
		}
	}
	drop("1")
	if _, err := to.Pull(t.Context(), pinned); err != nil {
		t.Errorf("when another tag has the image, it stays: %v", err)
	}
	drop("2")
	if _, err := to.Pull(t.Context(), pinned); err == nil {
		t.Error("when the last tag of an image goes, the image can still be pulled")
	}
	if diff := cmp.Diff([]string{host + "/shop:3"}, referencesIn(t, to)); diff != "" {
		t.Errorf("when images are deleted, others stay:\n%s", diff)
	}
	drop("3")
	if left := referencesIn(t, to); len(left) > 0 {
		t.Errorf("when all are deleted, there are none; got %v", left)
	}
	for _, name := range []string{"shop:1", "never:1"} {
		var none *NoImageError
		if err := to.Delete(t.Context(), host+"/"+name, nil); !errors.As(err, &none) {
			t.Errorf("when %s is not there, it says so; got %v", name, err)
		}
	}
}

func TestOpenArchiveRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("module naru.dev/naru\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ file, as, want string }{
		"when there is no file":                        {"/nonexistent", "", "no such file"},
		"when it is text":                              {text, "", "no OCI or Docker archive"},
		"when it is a folder without images":           {t.TempDir(), "", "no OCI layout"},
		"when its image has only a tag":                {ociArchive(t, map[string]string{annotationOCI: "3"}), "", "--as shop:1"},
		"when --as is no reference":                    {dockerArchive(t, "hello:1"), "Hello World", "no image reference"},
		"when --as has a digest where a tag is wanted": {dockerArchive(t, "hello:1"), "hello@sha256:00", "no image reference"},
	}
	for name, c := range cases {
		t.Run(name+", it says so", func(t *testing.T) {
			_, err := OpenArchive(c.file, host, c.as)
			var refused *UnusableError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUnpack(t *testing.T) {
	t.Run("when a name leads out of the folder, it is refused", func(t *testing.T) {
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "evil.tar"))
		if err != nil {
			t.Fatal(err)
		}
		writer := tar.NewWriter(file)
		for _, header := range []*tar.Header{{Name: "index.json", Typeflag: tar.TypeReg, Mode: 0o600}, {Name: "../evil", Typeflag: tar.TypeReg, Mode: 0o600}} {
			if err := writer.WriteHeader(header); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(writer.Close(), file.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenArchive(file.Name(), host, ""); err == nil {
			t.Error("it was read")
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
			t.Error("it wrote outside")
		}
	})
}
