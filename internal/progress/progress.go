// Package progress shows what a command is waiting for: a tree with durations that is redrawn in
// place on a terminal; otherwise a line for each step that has ended, and now and then one for
// those that take long. It is written to stderr, so that stdout stays data.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"
)

// Options say how a Progress looks.
type Options struct {
	// Terminal redraws in place; otherwise lines are written, for steps that end or take long.
	Terminal bool
	// Color paints the marks of steps.
	Color bool
	// Width of the terminal in columns; 0: 80.
	Width int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Detect returns the options that fit a file: a tree on a terminal that can be redrawn, colours
// unless NO_COLOR is set (https://no-color.org).
func Detect(file *os.File) Options {
	terminal := term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
	options := Options{Terminal: terminal, Color: terminal && os.Getenv("NO_COLOR") == ""}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		options.Width = width
	}
	return options
}

// Progress is a tree of steps. Its methods and those of its steps may be called by several
// goroutines. Close must be called.
type Progress struct {
	out     io.Writer
	options Options

	mu    sync.Mutex
	roots []*Step
	drawn int // lines on the screen that the next drawing replaces
	frame int
	stop  chan struct{}
	done  chan struct{}
}

const (
	// redraw is how often the tree is drawn anew: often enough for durations and spinners to move.
	redraw = 120 * time.Millisecond
	// remind is how often a log hears of what has been running for that long: who reads it sees that it lives.
	remind = 30 * time.Second
)

// New returns a progress that writes to out.
func New(out io.Writer, options Options) *Progress {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Width <= 0 {
		options.Width = 80
	}
	p := &Progress{out: out, options: options, stop: make(chan struct{}), done: make(chan struct{})}
	if options.Terminal {
		go p.loop(redraw, p.redraw)
	} else {
		go p.loop(remind, p.remind)
	}
	return p
}

// ForStderr returns a progress as this process's stderr shows it best.
func ForStderr() *Progress { return New(os.Stderr, Detect(os.Stderr)) }

// Silent returns a progress that shows nothing.
func Silent() *Progress { return New(io.Discard, Options{}) }

func (p *Progress) loop(interval time.Duration, show func()) {
	defer close(p.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			show()
			p.mu.Unlock()
		}
	}
}

func (p *Progress) redraw() {
	p.frame++
	p.draw()
}

// remind writes a line for each innermost step that takes long. The lock is held.
func (p *Progress) remind() {
	now := p.options.Now()
	for _, s := range innermost(p.roots) {
		if s.took = now.Sub(s.began); s.took >= remind {
			fmt.Fprintln(p.out, plainLine(s))
		}
	}
}

// Close draws the tree for the last time, as it is, and leaves it on the screen. Steps that have
// not ended are shown as unfinished. A second call does nothing.
func (p *Progress) Close() {
	select {
	case <-p.stop:
		return
	default:
		close(p.stop)
	}
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options.Terminal {
		p.frame = -1
		p.draw()
	}
}

// Step begins a step at the top of the tree.
func (p *Progress) Step(name string) *Step {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &Step{progress: p, name: name, began: p.options.Now()}
	p.roots = append(p.roots, s)
	p.draw()
	return s
}

// cached is the result of a step for which nothing had to be done.
const cached = "cached"

// Start begins a step whose end is a function. It is what internal/release's Progress asks for. A
// step that ends as "cached" is not worth a line and disappears.
func (p *Progress) Start(name string) (end func(result string, err error)) {
	s := p.Step(name)
	return func(result string, err error) {
		if result == cached && err == nil {
			p.forget(s)
			return
		}
		s.End(result, err)
	}
}

func (p *Progress) forget(s *Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.outcome = succeeded
	p.roots = slices.DeleteFunc(p.roots, func(root *Step) bool { return root == s })
	p.draw()
}

// draw replaces what is on the screen. The lock is held. Steps at the top that have ended are
// written for good and scroll away: a tree that is taller than the screen can't be redrawn.
func (p *Progress) draw() {
	if !p.options.Terminal {
		return
	}
	v := view{now: p.options.Now(), frame: p.frame, width: p.options.Width, color: p.options.Color}
	ended := 0
	for ended < len(p.roots) && p.roots[ended].outcome != running {
		ended++
	}
	live := render(p.roots[ended:], v)
	lines := append(render(p.roots[:ended], v), live...)
	// A terminal that has gone away is no reason to fail the work that is shown.
	_, _ = io.WriteString(p.out, repaint(lines, p.drawn))
	p.roots = p.roots[ended:]
	p.drawn = len(live)
}
