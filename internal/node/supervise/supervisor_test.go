package supervise

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func start(t *testing.T, processes ...Process) (*Supervisor, func()) {
	t.Helper()
	s := &Supervisor{Children: NewChildren(), LogDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, processes) }()
	return s, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSupervisorRestarts(t *testing.T) {
	s, stop := start(t, Process{Name: "sleeper", Command: []string{"sleep", "1000"}})
	defer stop()
	await(t, "the first start", func() bool { return s.States()["sleeper"].PID != 0 })
	first := s.States()["sleeper"].PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "when a process is killed, it is started again", func() bool {
		state := s.States()["sleeper"]
		return state.Restarts == 1 && state.PID != 0 && state.PID != first
	})
}

func TestSupervisorOrder(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	say := func(word string) []string {
		return []string{"sh", "-c", `echo start-` + word + ` >>"$R"; trap 'echo stop-` + word + ` >>"$R"; exit 0' TERM; while :; do sleep 0.05; done`}
	}
	read := func() string { data, _ := os.ReadFile(record); return strings.Join(strings.Fields(string(data)), " ") }
	answered := func(context.Context) error { _, err := os.Stat(record); return err }
	env := []string{"R=" + record}
	s, stop := start(t,
		Process{Name: "a", Command: say("a"), Env: env, Ready: answered},
		Process{Name: "b", Command: say("b"), Env: env})
	await(t, "both running", func() bool { return strings.Contains(read(), "start-b") && s.States()["b"].Ready })
	stop()
	if got, want := read(), "start-a start-b stop-b stop-a"; got != want {
		t.Errorf("when it stops, it stops in reverse order: got %q, want %q", got, want)
	}
}

func TestSupervisorNeedsAndOneShot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	s, stop := start(t,
		Process{Name: "waiter", Command: []string{"sleep", "1000"}, Needs: [][]string{{"/nonexistent", file}}},
		Process{Name: "writer", Command: []string{"touch", file}, OneShot: true})
	defer stop()
	await(t, "when the file it needs appears, a process starts", func() bool { return s.States()["waiter"].PID != 0 })
	if state := s.States()["writer"]; !state.Done || state.Restarts != 0 {
		t.Errorf("when a one-shot succeeds, it is done: %+v", state)
	}
}

func TestSupervisorReads(t *testing.T) {
	folder := t.TempDir()
	kubeconfig, record := filepath.Join(folder, "..data", "kubeconfig"), filepath.Join(folder, "record")
	// As the kubelet writes a Secret: a link to a folder, which is replaced in one step.
	put := func(version, content string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(folder, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, version, "kubeconfig"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(folder, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, "..new"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	put("1", "old")
	said := func() string { data, _ := os.ReadFile(record); return strings.Join(strings.Fields(string(data)), " ") }
	// It ends as a failure when it is told to, which must not cost it a back-off.
	script := `cat "$K" >>"$R"; echo >>"$R"; trap 'exit 7' TERM; while :; do sleep 0.05; done`
	env := []string{"K=" + kubeconfig, "R=" + record}
	s, stop := start(t,
		Process{Name: "proxy", Command: []string{"sh", "-c", script}, Env: env, Reads: []string{kubeconfig}},
		Process{Name: "other", Command: []string{"sleep", "1000"}})
	defer stop()
	await(t, "the first start", func() bool { return said() == "old" && s.States()["other"].PID != 0 })
	other := s.States()["other"].PID
	put("2", "new")
	await(t, "when a file that it has read changes, a process starts again with it", func() bool { return said() == "old new" })
	if state := s.States()["proxy"]; state.Restarts != 1 {
		t.Errorf("when a file changes once, a process starts again once, not %d times", state.Restarts)
	}
	if s.States()["other"].PID != other {
		t.Error("when a file changes, a process that has not read it goes on")
	}
}

func TestReapOrphans(t *testing.T) {
	c := NewChildren()
	own := exec.Command("true")
	if err := c.Start(own); err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("true")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { return syscall.Kill(orphan.Process.Pid, 0) == syscall.ESRCH }
	stop := make(chan struct{})
	go c.Reap(stop)
	defer close(stop)
	if err := c.Wait(own); err != nil {
		t.Errorf("when a supervised process ends, its status is its waiter's: %v", err)
	}
	await(t, "when somebody else's process ends, it is reaped", gone)
}

func TestSupervisorCurrent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	s, stop := start(t, Process{Name: "reader", Command: []string{"sleep", "1000"}, Reads: []string{file}})
	defer stop()
	await(t, "when a process has started, it has read what is there", func() bool { return s.Current("reader") })
	before := s.States()["reader"].PID
	write("new")
	if s.Current("reader") && s.States()["reader"].PID == before {
		t.Error("when a file has changed since, the process has not read it")
	}
	await(t, "when it has started again, it has", func() bool { return s.Current("reader") && s.States()["reader"].PID != before })
	if s.Current("nobody") {
		t.Error("when there is no such process, it has read nothing")
	}
}
