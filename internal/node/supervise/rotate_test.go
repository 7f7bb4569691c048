package supervise

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLogRotates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kubelet.log")
	log, err := OpenLog(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one-----\n", "two-----\n", "three---\n", "four----\n"} {
		if _, err := log.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		data, _ := os.ReadFile(filepath.Join(dir, entry.Name()))
		got[entry.Name()] = string(data)
	}
	want := map[string]string{"kubelet.log": "four----\n", "kubelet.log.1": "three---\n", "kubelet.log.2": "two-----\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("when the file is full, it keeps the newest two and drops the rest (-want +got):\n%s", diff)
	}
}
