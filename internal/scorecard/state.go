package scorecard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Leftover is something that a run has made and has to take away again.
type Leftover struct {
	// Kind is cluster, namespace, image or user.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Where is the cluster that a namespace is in.
	Where string `json:"where,omitempty"`
}

// String names it for people, with the command that takes it away.
func (l Leftover) String() string {
	switch l.Kind {
	case LeftCluster:
		return fmt.Sprintf("cluster %s (naru delete cluster %s)", l.Name, l.Name)
	case LeftNamespace:
		return fmt.Sprintf("namespace %s in %s (kubectl delete namespace %s)", l.Name, l.Where, l.Name)
	case LeftImage:
		return fmt.Sprintf("image %s (naru image delete %s)", l.Name, l.Name)
	}
	return l.Kind + " " + l.Name
}

// The kinds of leftovers.
const (
	LeftCluster   = "cluster"
	LeftNamespace = "namespace"
	LeftImage     = "image"
	LeftUser      = "user"
)

// progressOf is the content of a state file.
type progressOf struct {
	Version string    `json:"version"`
	Began   time.Time `json:"began"`
	// Subject is what was evaluated; another subject can't be gone on with.
	Subject   string     `json:"subject"`
	Results   []Result   `json:"results"`
	Leftovers []Leftover `json:"leftovers"`
}

// State is the file of a run: what was answered, so that an interrupted run can be gone on with, and what has to be
// taken away, even after a crash. It is safe for concurrent use.
type State struct {
	path string

	mu      sync.Mutex
	content progressOf
}

// OpenState reads a state file; one that does not exist is empty. Errors: *FormError.
func OpenState(path string) (*State, error) {
	s := &State{path: path, content: progressOf{Version: Version}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of the last run: %w", err)
	}
	if err := json.Unmarshal(data, &s.content); err != nil || s.content.Version != Version {
		return nil, &StateError{Path: path}
	}
	return s, nil
}

// StateError says that a state file is none of this naru's.
type StateError struct{ Path string }

func (e *StateError) Error() string {
	return fmt.Sprintf("%s is no state of a run that this naru can go on with: remove it, or name another with --state", e.Path)
}

// Resume returns the results of the last run and when it began.
// Errors: *ResumeError when there is nothing to go on with, or it was of another subject.
func (s *State) Resume(subject string) ([]Result, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.content.Began.IsZero():
		return nil, time.Time{}, &ResumeError{Problem: "no run was interrupted"}
	case s.content.Subject != subject:
		return nil, time.Time{}, &ResumeError{Problem: fmt.Sprintf("the run that was interrupted was of %s, not of %s", s.content.Subject, subject)}
	}
	return slices.Clone(s.content.Results), s.content.Began, nil
}

// ResumeError says why there is nothing to go on with.
type ResumeError struct{ Problem string }

func (e *ResumeError) Error() string {
	return e.Problem + ": leave --resume out to begin anew"
}

// Begin forgets the results of an earlier run, but not what it has left.
func (s *State) Begin(subject string, now time.Time) error {
	return s.change(func(c *progressOf) { c.Subject, c.Began, c.Results = subject, now, nil })
}

// Keep adds a result.
func (s *State) Keep(result Result) error {
	return s.change(func(c *progressOf) { c.Results = append(c.Results, result) })
}

// Leave writes down that something is about to be made.
func (s *State) Leave(l Leftover) error {
	return s.change(func(c *progressOf) {
		if !slices.Contains(c.Leftovers, l) {
			c.Leftovers = append(c.Leftovers, l)
		}
	})
}

// Cleared writes down that something is gone.
func (s *State) Cleared(l Leftover) error {
	return s.change(func(c *progressOf) {
		c.Leftovers = slices.DeleteFunc(c.Leftovers, func(other Leftover) bool { return other == l })
	})
}

// Leftovers returns what has not been taken away yet.
func (s *State) Leftovers() []Leftover {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.content.Leftovers)
}

// End removes the file, unless something is left.
func (s *State) End() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.content.Leftovers) > 0 {
		s.content.Began, s.content.Results = time.Time{}, nil
		return s.write()
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the state of the run: %w", err)
	}
	return nil
}

func (s *State) change(edit func(*progressOf)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.content)
	return s.write()
}

// write replaces the file in one step. The lock is held.
func (s *State) write() error {
	data, err := json.MarshalIndent(s.content, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of the run: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("keeping the state of the run: %w", err)
	}
	next := s.path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("keeping the state of the run: %w", err)
	}
	if err := os.Rename(next, s.path); err != nil {
		return fmt.Errorf("keeping the state of the run: %w", err)
	}
	return nil
}
