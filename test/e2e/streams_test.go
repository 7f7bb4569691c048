//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"naru.dev/naru/test/naru"
)

// testStreams uses what goes through the API server to a node.
func testStreams(t *testing.T, w *world, c *cluster, client string) {
	t.Run("when logs are asked for, they come", func(t *testing.T) {
		if got := w.kubectl(t, c, "logs", "deployment/hello"); !strings.Contains(got, "hello serves") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("when a command is run in a pod, its output, its input and its exit code pass", func(t *testing.T) {
		if got := w.kubectl(t, c, "exec", client, "--", "hostname"); strings.TrimSpace(got) != client {
			t.Errorf("got %q, want %s", got, client)
		}
		result, err := w.cli.Kubectl(t.Context(), c.name, "exec", client, "--", "sh", "-c", "exit 7")
		if err == nil || result.Code != 7 {
			t.Errorf("got code %d, want 7: %v", result.Code, err)
		}
		command, err := w.cli.Command(t.Context(), c.name, "exec", "-i", client, "--", "wc", "-c")
		if err != nil {
			t.Fatal(err)
		}
		command.Stdin = strings.NewReader("12345")
		if result, err := naru.Run(command); err != nil || strings.TrimSpace(result.Stdout) != "5" {
			t.Errorf("got %q, want 5: %v", result.Stdout, err)
		}
	})
	t.Run("when a command has a terminal, it has one", func(t *testing.T) { testTerminal(t, w, c, client) })
	t.Run("when a process is attached to, it reads and writes", func(t *testing.T) { testAttach(t, w, c) })
	t.Run("when a file is copied to a pod and back, it is the same", func(t *testing.T) { testCopy(t, w, c, client) })
	t.Run("when a port is forwarded, the pod answers", func(t *testing.T) {
		url := forward(t, w, c, "deployment/hello", 8080)
		if got := request(t, http.MethodGet, url, ""); !strings.HasPrefix(got, "Hello from") {
			t.Errorf("got %q", got)
		}
	})
}

// testTerminal gives kubectl a real terminal and looks for one at the other end.
func testTerminal(t *testing.T, w *world, c *cluster, client string) {
	master, slave := terminal(t)
	command, err := w.cli.Command(t.Context(), c.name, "exec", "-it", client, "--", "sh", "-c",
		// The size follows the start of the command.
		"tty; n=0; until stty size 2>/dev/null | grep . || [ $((n+=1)) -gt 100 ]; do sleep 0.1; done")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 31, Col: 101}); err != nil {
		t.Fatal(err)
	}
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	// Reading a terminal whose other end is closed is an error; what came before counts.
	output, _ := io.ReadAll(master)
	if err := command.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	for _, want := range []string{"/dev/pts/", "31 101"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("%q is not in %q", want, output)
		}
	}
}

// terminal opens a pair of pseudo-terminal ends (pty(7)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func testAttach(t *testing.T, w *world, c *cluster) {
	echo := pod("echo", w.image(t, "busybox"), "sh", "-c", "while read line; do echo got $line; done")
	echo.Spec.Containers[0].Stdin = true
	create(t, c, echo)
	awaitPods(t, c, echo.Name)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	command, err := w.cli.Command(ctx, c.name, "attach", "-i", echo.Name)
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "a line\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "got a line" {
		t.Errorf("got %q, %v", line, err)
	}
	cancel()
	_ = command.Wait() // Killed.
	w.kubectl(t, c, "delete", "pod", echo.Name, "--wait=false")
}

func testCopy(t *testing.T, w *world, c *cluster, client string) {
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content) // Never fails.
	there, back := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "back")
	if err := os.WriteFile(there, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, c, "cp", there, client+":/tmp/copied")
	w.kubectl(t, c, "cp", client+":/tmp/copied", back)
	got, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes came back, which are not the %d that were sent", len(got), len(content))
	}
}

// forward forwards a free port of this machine to a pod until the test ends, and returns its URL.
func forward(t *testing.T, w *world, c *cluster, to string, port int) string {
	t.Helper()
	// Not the test's context, which ends before its clean-ups.
	command, err := w.cli.Command(context.Background(), c.name, "port-forward", to, fmt.Sprintf(":%d", port))
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // Killed.
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("forwarding a port: %v: %s", err, stderr.String())
	}
	var local int
	if _, err := fmt.Sscanf(line, "Forwarding from 127.0.0.1:%d", &local); err != nil {
		t.Fatalf("forwarding a port: kubectl says %q", line)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return fmt.Sprintf("http://127.0.0.1:%d", local)
}

// request makes one request that has to be answered with 2xx.
func request(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s %v", method, url, response.Status, content, err)
	}
	return string(content)
}

// put and get write and read the store's file. Through a forwarded port: its policy keeps others out.
func put(t *testing.T, w *world, c *cluster, content string) {
	t.Helper()
	request(t, http.MethodPut, forward(t, w, c, "deployment/hello-store", 8080)+"/file", content)
}

func get(t *testing.T, w *world, c *cluster) string {
	t.Helper()
	return request(t, http.MethodGet, forward(t, w, c, "deployment/hello-store", 8080)+"/file", "")
}
