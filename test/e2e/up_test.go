//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/test/naru"
)

// testUpRefused starts the platform on machines that can't have one.
func testUpRefused(t *testing.T, w *world) {
	before := takeFootprint(t)
	t.Run("when the user is not root, it says so", func(t *testing.T) {
		refused(t, unprivileged(t, w), "root")
	})
	t.Run("when a port is taken, it names the port", func(t *testing.T) {
		taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", layout.HostingPort))
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		refused(t, exec.CommandContext(t.Context(), w.cli.Binary, "up"), fmt.Sprint(layout.HostingPort))
	})
	t.Run("when the disk is full, it says how much is needed", func(t *testing.T) {
		disk := t.TempDir()
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(disk, 0); err != nil {
				t.Error(err)
			}
		}()
		command := exec.CommandContext(t.Context(), w.cli.Binary, "up", "--state-dir", filepath.Join(disk, "naru"))
		refused(t, command, "space", disk)
	})
	t.Run("when hosts are too many, it says how many can be", func(t *testing.T) {
		refused(t, exec.CommandContext(t.Context(), w.cli.Binary, "up", "--hosts", "4"), "--hosts", "3")
	})
	t.Run("when it was refused, the machine is as before", func(t *testing.T) {
		takeFootprint(t).requireNone(t, before)
		if entries, err := os.ReadDir(stateDir); err == nil && len(entries) > 0 {
			t.Errorf("%s holds %v, want nothing", stateDir, entries)
		}
	})
}

// unprivileged prepares `naru up` by nobody, with a copy of the binary that nobody can run.
func unprivileged(t *testing.T, w *world) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "naru-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "naru")
	copyFile(t, w.cli.Binary, copied)
	command := exec.CommandContext(t.Context(), copied, "up")
	command.Dir = dir
	command.Env = append(os.Environ(), "HOME="+dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return command
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
}

// refused runs a command that has to fail and to say each of the words.
func refused(t *testing.T, command *exec.Cmd, words ...string) {
	t.Helper()
	result, err := naru.Run(command)
	requireRefused(t, result, err, words...)
}

func requireRefused(t *testing.T, result naru.Result, err error, words ...string) {
	t.Helper()
	if err == nil || result.Code < 1 {
		t.Fatalf("it was not refused:\n%v", result)
	}
	for _, word := range words {
		if !strings.Contains(result.Stderr, word) {
			t.Errorf("%q is not in the message:\n%v", word, result)
		}
	}
}

// testUp starts the platform twice.
func testUp(t *testing.T, w *world) {
	w.naru(t, "up")
	first := identities(t, w)
	t.Run("when it is up, status says so", func(t *testing.T) { w.naru(t, "status") })
	t.Run("when up is run again, nothing changes", func(t *testing.T) {
		w.naru(t, "up")
		for name, identity := range identities(t, w) {
			if was, ok := first[name]; !ok || was != identity {
				t.Errorf("%s is %s now, was %q", name, identity, was)
			}
		}
	})
	t.Run("when it is up, it is reached on 127.0.0.1 only", func(t *testing.T) {
		for _, address := range machineAddresses(t) {
			if conn, err := net.Dial("tcp", net.JoinHostPort(address, fmt.Sprint(layout.HostingPort))); err == nil {
				conn.Close()
				t.Errorf("the hosting API answers on %s", address)
			}
		}
	})
}

// identities tells the daemon and every pod of Naru's own from a later one.
func identities(t *testing.T, w *world) map[string]string {
	t.Helper()
	state, err := layout.FindState("")
	if err != nil {
		t.Fatal(err)
	}
	status, err := daemon.Ask(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{"daemon": fmt.Sprint(status.Daemon)}
	for _, namespace := range []string{"kube-system", "naru-system"} {
		pods, err := w.hosting(t).kube.CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			found[namespace+"/"+pod.Name] = fmt.Sprintf("%s, restarted %d times", pod.UID, restarts(pod.Status.ContainerStatuses))
		}
	}
	return found
}

// machineAddresses are the machine's addresses but the loopback's.
func machineAddresses(t *testing.T) []string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			found = append(found, ip.IP.String())
		}
	}
	return found
}
