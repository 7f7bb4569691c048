package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

type view struct {
	now   time.Time
	frame int // -1: the last drawing
	width int
	color bool
}

const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	cyan  = "\x1b[36m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"

	clearLine  = "\x1b[2K"
	cursorUp   = "\x1b[%dA"
	clearBelow = "\x1b[J"
)

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// render returns the lines of a tree, each at most width columns wide.
func render(roots []*Step, v view) []string {
	var lines []string
	for _, root := range roots {
		lines = append(lines, v.line("", root))
		lines = append(lines, v.below("", root.children)...)
	}
	return lines
}

func (v view) below(indent string, steps []*Step) []string {
	var lines []string
	for i, step := range steps {
		branch, trunk := "├─ ", "│  "
		if i == len(steps)-1 {
			branch, trunk = "└─ ", "   "
		}
		lines = append(lines, v.line(indent+branch, step))
		lines = append(lines, v.below(indent+trunk, step.children)...)
	}
	return lines
}

// line is branch, mark, name and detail, with the duration at the right.
func (v view) line(branch string, s *Step) string {
	mark, color := v.mark(s)
	took := s.took
	if s.outcome == running {
		took = v.now.Sub(s.began)
	}
	right := Duration(took)
	left := branch + mark + " " + s.name
	room := v.width - 1 - columns(left) - columns(right) - 1
	detail := ""
	if s.detail != "" && room > 4 {
		detail = cut("  "+s.detail, room)
	}
	gap := max(1, room+1-columns(detail))
	if !v.color {
		return left + detail + strings.Repeat(" ", gap) + right
	}
	return faint + branch + reset + color + mark + reset + " " + s.name + faint + detail + strings.Repeat(" ", gap) + right + reset
}

func (v view) mark(s *Step) (mark, color string) {
	switch {
	case s.outcome == succeeded:
		return "✓", green
	case s.outcome == failed:
		return "✗", red
	case v.frame < 0:
		return "…", cyan
	}
	return spinner[v.frame%len(spinner)], cyan
}

// repaint moves the cursor up over what was drawn before and draws lines in its place.
func repaint(lines []string, drawn int) string {
	var b strings.Builder
	if drawn > 0 {
		fmt.Fprintf(&b, cursorUp, drawn)
	}
	for _, line := range lines {
		b.WriteString("\r" + clearLine + line + "\n")
	}
	if len(lines) < drawn {
		b.WriteString(clearBelow)
	}
	return b.String()
}

// longestDetail bounds what a line of a log says behind a step: an error is printed whole elsewhere.
const longestDetail = 160

// plainLine is a step for a log: names of the steps above it, what came of it or what it waits for, how long it took.
func plainLine(s *Step) string {
	name := s.name
	for p := s.parent; p != nil; p = p.parent {
		name = p.name + ": " + name
	}
	state := map[outcome]string{running: "...", succeeded: "done", failed: "failed"}[s.outcome]
	line := fmt.Sprintf("%-6s  %7s  %s", state, Duration(s.took), name)
	if s.detail != "" {
		line += " (" + cut(s.detail, longestDetail) + ")"
	}
	return line
}

// Duration is how naru writes how long something took: 0.4s, 12.3s, 2m05s, 1h02m.
func Duration(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func columns(s string) int { return utf8.RuneCountInString(s) }

func cut(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
