package ecr_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/bcrypt"

	own "naru.dev/naru/internal/eks/ecr"
	"naru.dev/naru/test/env"
)

// The two doors as a platform has them, but for TLS.
const (
	readDoor  = "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n  filesystem: {rootdirectory: %s}\n  maintenance: {readonly: {enabled: true}}\nhttp: {addr: %s}\n"
	writeDoor = "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\nhttp: {addr: %s}\nauth:\n  htpasswd: {realm: naru, path: %s}\n"
)

// distribution starts Naru's own registry, with both doors.
func distribution(t *testing.T) *own.Upstream {
	t.Helper()
	folder := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(folder, "htpasswd")
	if err := os.WriteFile(users, []byte("naru-server:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, data := env.Program(t, "registry"), filepath.Join(folder, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	open := func(name, config string, args ...any) *url.URL {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, fmt.Appendf(nil, config, append([]any{data, address}, args...)...), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, exec.CommandContext(t.Context(), program, "serve", path), "http://"+address+"/v2/")
		return &url.URL{Scheme: "http", Host: address}
	}
	return &own.Upstream{Read: open("read.yaml", readDoor), Write: open("write.yaml", writeDoor, users), User: "naru-server", Password: password, Transport: http.DefaultTransport}
}

// start runs a program until the test ends, and waits until it answers.
func start(t *testing.T, command *exec.Cmd, at string) {
	t.Helper()
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended already
		_ = command.Wait()         // it was killed
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			return
		}
	}
	t.Fatalf("%s does not answer: %s", at, said.String())
}

// TestDistribution does with Naru's own registry what the others do with one in memory.
func TestDistribution(t *testing.T) {
	s := &site{log: &lines{}}
	s.serve(t, distribution(t))
	c := s.client()
	create(t, c, app)
	if listed, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app}); err != nil || len(listed.ImageIds) != 0 {
		t.Errorf("when nothing was pushed, there is nothing: %+v, %v", listed, err)
	}
	auth := remote.WithAuth(s.login(t))
	made := image(t)
	digest, err := made.Digest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(1<<10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"team/app:1", "team/app:2"} {
		if err := remote.Write(s.reference(t, tag), made, auth); err != nil {
			t.Fatal(err)
		}
	}
	if err := remote.WriteIndex(s.reference(t, "team/app:all"), index, auth); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(s.reference(t, "none/such:1"), made, auth); err == nil || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
		t.Errorf("when there is no repository, nothing is pushed: %v", err)
	}
	described, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: app})
	if err != nil || len(described.ImageDetails) != 2 {
		t.Errorf("%+v, %v", described, err)
	}
	remove := func(tag string) {
		t.Helper()
		deleted, err := c.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: &tag}}})
		if err != nil || len(deleted.ImageIds) != 1 {
			t.Errorf("deleting %s: %+v, %v", tag, deleted, err)
		}
	}
	if remove("1"); s.pulls(t, "team/app:1", auth) || !s.pulls(t, "team/app:2", auth) {
		t.Error("when one tag goes, the other stays")
	}
	if remove("2"); s.pulls(t, "team/app@"+digest.String(), auth) {
		t.Error("when the last tag goes, the image does")
	}
	if _, err := c.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: app, Force: true}); err != nil {
		t.Fatal(err)
	}
	if all, err := c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(5)}); err != nil || len(all.Repositories) != 0 {
		t.Errorf("when all was deleted, nothing is left: %+v, %v", all, err)
	}
}
