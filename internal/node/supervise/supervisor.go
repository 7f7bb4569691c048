// Package supervise keeps processes running: it starts them in order, restarts
// those that die, keeps their logs bounded and stops them in reverse order.
package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Process is one supervised program.
type Process struct {
	Name string
	// Command is the program and its arguments.
	Command []string
	// Env is added to the supervisor's own environment.
	Env []string
	// Needs are files that must exist before each start. A group is met by
	// any one of its files; all groups must be met.
	Needs [][]string
	// Reads are files that the process reads once, as its credentials: when the content of one changes, it is stopped and
	// started again.
	Reads []string
	// Awaits is asked before each start, once the needs are met, until it returns nil. Nil means there is nothing to wait for.
	Awaits func(context.Context) error
	// Ready is asked after a start until it returns nil; the next process in
	// order waits for it. Nil means ready as soon as it is started.
	Ready func(context.Context) error
	// OneShot processes are done once they succeed.
	OneShot bool
	// Grace is how long a process may take to stop before it is killed.
	Grace time.Duration
	// Attr is how the process is made; nil means in a process group of its
	// own. With a Pdeathsig the supervisor keeps the parent thread alive.
	Attr *syscall.SysProcAttr
	// Prepare runs before each start; the files it returns become file
	// descriptors 3, 4, … of the process and are closed here afterwards.
	Prepare func() ([]*os.File, error)
}

// Supervisor runs a list of processes.
type Supervisor struct {
	Children *Children
	// LogDir holds <name>.log of each process.
	LogDir string
	Log    *slog.Logger

	mu     sync.Mutex
	states map[string]State
	// read is what each process has read of its files when it started.
	read map[string]map[string][]byte
}

// State is what is known of one process.
type State struct {
	PID      int  `json:"pid"`
	Ready    bool `json:"ready"`
	Done     bool `json:"done"`
	Restarts int  `json:"restarts"`
}

const (
	logLimit = 10 << 20
	logKeep  = 2
	// poll is the rhythm at which files and probes are asked; both are local and cheap.
	poll = 100 * time.Millisecond
)

// Run runs the processes until ctx ends, then stops them in reverse order.
func (s *Supervisor) Run(ctx context.Context, processes []Process) error {
	s.set("", func(*State) {})
	runs := make([]*run, 0, len(processes))
	for _, process := range processes {
		log, err := OpenLog(filepath.Join(s.LogDir, process.Name+".log"), logLimit, logKeep)
		if err != nil {
			return fmt.Errorf("preparing %s: %w", process.Name, err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		runs = append(runs, &run{s: s, process: process, log: log, ctx: ctx, cancel: cancel,
			ready: make(chan struct{}), done: make(chan struct{})})
	}
	started := len(runs)
	for i, r := range runs {
		go r.loop()
		select {
		case <-r.ready:
			continue
		case <-ctx.Done():
		}
		started = i + 1
		break
	}
	<-ctx.Done()
	for _, r := range slices.Backward(runs[:started]) {
		r.cancel()
		<-r.done
	}
	return nil
}

// States returns what is known of every process.
func (s *Supervisor) States() map[string]State {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := make(map[string]State, len(s.states))
	for name, state := range s.states {
		copied[name] = state
	}
	return copied
}

// Current tells whether a process is ready that has read what its files hold now.
func (s *Supervisor) Current(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, content := range s.read[name] {
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
			return false
		}
	}
	return s.states[name].Ready
}

func (s *Supervisor) started(name string, read map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == nil {
		s.read = map[string]map[string][]byte{}
	}
	s.read[name] = read
}

func (s *Supervisor) set(name string, change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil {
		s.states = map[string]State{}
	}
	if name == "" {
		return
	}
	state := s.states[name]
	change(&state)
	s.states[name] = state
}

// run is one process's life: wait for its needs, start, watch, restart.
type run struct {
	s       *Supervisor
	process Process
	log     *Log
	ctx     context.Context
	cancel  context.CancelFunc
	once    sync.Once
	ready   chan struct{}
	done    chan struct{}
}

func (r *run) loop() {
	defer close(r.done)
	defer r.log.Close()
	if r.process.Attr != nil && r.process.Attr.Pdeathsig != 0 {
		// The signal is sent when the thread that forked ends, not the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	var past history
	for {
		if !r.awaitNeeds() {
			return
		}
		started := time.Now()
		err := r.runOnce()
		if r.ctx.Err() != nil {
			return
		}
		if changed := (*changedError)(nil); errors.As(err, &changed) {
			r.s.Log.Info("process starts again", "process", r.process.Name, "reason", err)
			r.s.set(r.process.Name, func(state *State) { state.Restarts++; state.PID = 0; state.Ready = false })
			continue
		}
		next := decide(r.process.OneShot, past, exit{ran: time.Since(started), success: err == nil})
		if !next.restart {
			r.s.set(r.process.Name, func(state *State) { state.Done, state.Ready = true, true })
			r.markReady()
			return
		}
		r.s.Log.Warn("process ended", "process", r.process.Name, "error", errText(err), "restartAfter", next.after)
		r.s.set(r.process.Name, func(state *State) { state.Restarts++; state.PID = 0; state.Ready = false })
		past = next.next
		select {
		case <-time.After(next.after):
		case <-r.ctx.Done():
			return
		}
	}
}

func errText(err error) string {
	if err == nil {
		return "ended by itself"
	}
	return err.Error()
}

// runOnce runs the process once and returns how it ended.
func (r *run) runOnce() error {
	cmd := exec.Command(r.process.Command[0], r.process.Command[1:]...)
	cmd.Env = append(os.Environ(), r.process.Env...)
	cmd.SysProcAttr = r.process.Attr
	if r.process.Attr != nil && r.process.Attr.Chroot != "" {
		cmd.Dir = "/" // a working folder outside would lead out
	}
	if cmd.SysProcAttr == nil {
		// A process group of its own keeps a terminal's or a script's signals away.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	read := contents(r.process.Reads)
	if r.process.Prepare != nil {
		files, err := r.process.Prepare()
		if err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
		defer closeAll(files)
		cmd.ExtraFiles = files
	}
	// A pipe made here, not by exec: Wait must not hang on a grandchild that
	// has inherited it.
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making log pipe: %w", err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	err = r.s.Children.Start(cmd)
	writer.Close()
	if err != nil {
		reader.Close()
		return fmt.Errorf("starting: %w", err)
	}
	go func() {
		defer reader.Close()
		_, _ = io.Copy(r.log, reader)
	}()
	r.s.started(r.process.Name, read)
	r.s.set(r.process.Name, func(state *State) { state.PID = cmd.Process.Pid })
	ended := make(chan error, 1)
	go func() { ended <- r.s.Children.Wait(cmd) }()
	probing, stop := context.WithCancel(r.ctx)
	defer stop()
	go r.probe(probing)
	select {
	case err := <-ended:
		return err
	case path := <-changes(probing, read):
		if err := r.stop(cmd, ended); cmd.ProcessState == nil {
			return err
		}
		return &changedError{path: path} // how it ended is of no matter: it was told to
	case <-r.ctx.Done():
		return r.stop(cmd, ended)
	}
}

func (r *run) stop(cmd *exec.Cmd, ended <-chan error) error {
	grace := r.process.Grace
	if grace == 0 {
		grace = 5 * time.Second
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping: %w", err)
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing: %w", err)
	}
	return <-ended
}

func (r *run) markReady() { r.once.Do(func() { close(r.ready) }) }

// probe marks the process ready once it answers. A one-shot is ready when it is done.
func (r *run) probe(ctx context.Context) {
	if r.process.OneShot {
		return
	}
	for r.process.Ready != nil && r.process.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(poll):
		}
	}
	r.s.set(r.process.Name, func(state *State) { state.Ready = true })
	r.markReady()
}

func (r *run) awaitNeeds() bool {
	for !met(r.process.Needs) || r.process.Awaits != nil && r.process.Awaits(r.ctx) != nil {
		// What comes later in order must not wait for credentials that
		// something after it may be the one to write.
		r.markReady()
		select {
		case <-r.ctx.Done():
			return false
		case <-time.After(poll):
		}
	}
	return r.ctx.Err() == nil
}

func met(needs [][]string) bool {
	for _, group := range needs {
		if !slices.ContainsFunc(group, exists) {
			return false
		}
	}
	return true
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
