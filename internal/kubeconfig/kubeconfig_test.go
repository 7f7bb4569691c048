package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

func tenant(t *testing.T, name string) *api.Config {
	t.Helper()
	raw := fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: whatever, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: admin, user: {token: of-%s}}]
contexts: [{name: admin@whatever, context: {cluster: whatever, user: admin}}]
current-context: admin@whatever
`, name)
	config, err := Rename([]byte(raw), name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func contexts(t *testing.T, path string) map[string]string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"current": config.CurrentContext}
	for name, c := range config.Contexts {
		got[name] = c.Cluster + " " + config.AuthInfos[c.AuthInfo].Token
	}
	return got
}

const own = `
apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://work.example:6443"}}]
users: [{name: me, user: {token: mine}}]
contexts: [{name: work, context: {cluster: work, user: me}}]
current-context: work
`

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMergeAndRemove(t *testing.T) {
	ctx := context.Background()
	path := file(t, own)
	if err := Merge(ctx, path, tenant(t, "prod")); err != nil {
		t.Fatal(err)
	}
	t.Run("when merged, it keeps what was there and switches to the cluster", func(t *testing.T) {
		want := map[string]string{"current": "prod", "work": "work mine", "prod": "naru-prod of-prod"}
		if diff := cmp.Diff(want, contexts(t, path)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when merged, the file is the user's alone and no lock is left", func(t *testing.T) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, error %v", info.Mode(), err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.lock")); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("when removed, only what is Naru's goes", func(t *testing.T) {
		removed, err := Remove(ctx, path, "prod")
		if err != nil || !removed {
			t.Fatal(removed, err)
		}
		if diff := cmp.Diff(map[string]string{"current": "", "work": "work mine"}, contexts(t, path)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when nothing is there to remove, it says so", func(t *testing.T) {
		for _, p := range []string{path, filepath.Join(t.TempDir(), "absent")} {
			if removed, err := Remove(ctx, p, "prod"); removed || err != nil {
				t.Errorf("%s: %v, %v", p, removed, err)
			}
		}
	})
}

func TestMergeRefuses(t *testing.T) {
	t.Run("when the context is the user's own, it refuses and changes nothing", func(t *testing.T) {
		path := file(t, own)
		err := Merge(context.Background(), path, tenant(t, "work"))
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			t.Fatalf("got %v", err)
		}
		if content, _ := os.ReadFile(path); string(content) != own {
			t.Error("the file was changed")
		}
	})
	t.Run("when another program holds the lock, it says which file to look at", func(t *testing.T) {
		path := file(t, own)
		if err := os.WriteFile(path+".lock", nil, 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		var locked *LockedError
		if err := Merge(ctx, path, tenant(t, "prod")); !errors.As(err, &locked) || locked.Path != path+".lock" {
			t.Errorf("got %v", err)
		}
	})
}

func TestMergeConcurrently(t *testing.T) {
	t.Run("when many merge at once into a new file, none is lost", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "new", "config")
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				if err := Merge(context.Background(), path, tenant(t, fmt.Sprintf("c%d", i))); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := len(contexts(t, path)); got != 11 {
			t.Errorf("%d contexts and the current one, want 11", got)
		}
	})
}

func TestMergeThroughLink(t *testing.T) {
	t.Run("when the file is a link, what it leads to is replaced", func(t *testing.T) {
		path := file(t, own)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if err := Merge(context.Background(), link, tenant(t, "prod")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Error("the link was replaced")
		}
		if contexts(t, path)["prod"] == "" {
			t.Error("the file was not changed")
		}
	})
}
