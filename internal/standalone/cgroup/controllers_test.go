package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hierarchyAt makes a folder that looks like the root of a hierarchy.
func hierarchyAt(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestToEnable(t *testing.T) {
	cases := map[string]struct {
		v2    bool
		files map[string]string
		want  []string
	}{
		"when systemd has enabled some, the others are listed": {
			v2:    true,
			files: map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", subtreeControl: "memory pids\n"},
			want:  []string{"cpuset", "cpu", "io"},
		},
		"when all are enabled, none is listed": {
			v2:    true,
			files: map[string]string{"cgroup.controllers": "cpu memory\n", subtreeControl: "cpu memory\n"},
		},
		"when the machine is hybrid and v2 has none, none is listed": {
			v2:    true,
			files: map[string]string{"cgroup.controllers": "\n", subtreeControl: "\n"},
		},
		"when the hierarchy is v1, its files are not looked for": {},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := Hierarchy{Mount: hierarchyAt(t, c.files), V2: c.v2}
			got, err := ToEnable([]Hierarchy{h})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got[h.Mount]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDisable(t *testing.T) {
	t.Run("when this boot has no such hierarchy, nothing is wrong", func(t *testing.T) {
		gone := filepath.Join(t.TempDir(), "gone")
		if err := Disable(map[string][]string{gone: {"cpu"}}); err != nil {
			t.Error(err)
		}
	})
}
