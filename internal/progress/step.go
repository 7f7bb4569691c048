package progress

import (
	"fmt"
	"time"
)

type outcome int

const (
	running outcome = iota
	succeeded
	failed
)

// Step is one thing that takes time; it may have steps of its own.
type Step struct {
	progress *Progress
	parent   *Step
	name     string
	detail   string
	outcome  outcome
	began    time.Time
	took     time.Duration
	children []*Step
}

// Step begins a step below this one.
func (s *Step) Step(name string) *Step {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	child := &Step{progress: s.progress, parent: s, name: name, began: s.progress.options.Now()}
	s.children = append(s.children, child)
	s.progress.draw()
	return child
}

// Detail says what the step is waiting for; on a terminal it stands behind the name.
func (s *Step) Detail(text string) {
	s.progress.mu.Lock()
	defer s.progress.mu.Unlock()
	if s.outcome == running {
		s.detail = text
	}
}

// End ends the step: with what came of it, or with the error that ended it. Ending it again
// changes nothing.
func (s *Step) End(result string, err error) {
	p := s.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.outcome != running {
		return
	}
	s.took = p.options.Now().Sub(s.began)
	s.outcome, s.detail = succeeded, result
	if err != nil {
		s.outcome, s.detail = failed, firstLine(err.Error())
	}
	if p.options.Terminal {
		p.draw()
		return
	}
	fmt.Fprintln(p.out, plainLine(s))
}

// innermost returns the running steps that no other running step is below.
func innermost(steps []*Step) []*Step {
	var found []*Step
	for _, s := range steps {
		if s.outcome != running {
			continue
		}
		if below := innermost(s.children); len(below) > 0 {
			found = append(found, below...)
		} else {
			found = append(found, s)
		}
	}
	return found
}

// Done is End without an error.
func (s *Step) Done(result string) { s.End(result, nil) }
