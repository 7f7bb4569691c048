package volumes

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nodeVariable tells a test that it is a node, and which folder has its volumes.
const nodeVariable = "NARU_TEST_NODE"

// TestKilled kills a node with all that is in it, as a crash does, and starts another on the same volumes.
func TestKilled(t *testing.T) {
	if root := os.Getenv(nodeVariable); root != "" {
		runNode(t, root)
		return
	}
	isolated(t)
	root := t.TempDir()
	for life := range 5 {
		node := exec.Command(os.Args[0], "-test.run", "^TestKilled$", "-test.v")
		node.Env = append(os.Environ(), nodeVariable+"="+root)
		node.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
		said, err := node.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		want, last := fmt.Sprintf("lives: %d", life), ""
		for lines := bufio.NewScanner(said); last != want && lines.Scan(); {
			last = lines.Text()
		}
		if last != want {
			t.Errorf("when a node was killed, its successor finds what was written: got %q, want %q", last, want)
		}
		if err := node.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var killed *exec.ExitError
		if err := node.Wait(); !errors.As(err, &killed) {
			t.Errorf("the node ended with %v", err)
		}
	}
	requireNoneAttached(t, root)
}

// runNode mounts the volume, says how many nodes have written to it, writes once more, and stays.
func runNode(t *testing.T, root string) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "pvc-1_shop_data")
	if err := Restore(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if err := makeDisk(t.Context(), path, size); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(path, "lives"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("+"); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	// With the file open, and more on its way to the disk.
	if err := os.WriteFile(filepath.Join(path, "more"), make([]byte, size/4), 0o600); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nlives: %d\n", strings.Count(string(written), "+"))
	for {
		_ = unix.Pause() // until it is killed
	}
}
