package backend

import (
	"fmt"
	"strings"
	"time"

	"naru.dev/naru/internal/exitcode"
)

// InvalidError says that what was asked for can't be. Nothing was changed.
type InvalidError struct {
	// Field of the object, as spec.networking.podCIDR.
	Field string
	// Message says what is wrong and what would be right.
	Message string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// ExitCode implements the convention of package exitcode.
func (*InvalidError) ExitCode() int { return exitcode.Usage }

func invalidf(field, format string, args ...any) error {
	return &InvalidError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFoundError says that an object does not exist.
type NotFoundError struct {
	// Kind as a user calls it, as "node group".
	Kind, Name string
	// Next is what to do.
	Next string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no %s %q: %s", e.Kind, e.Name, e.Next)
}

// ExitCode implements the convention of package exitcode.
func (*NotFoundError) ExitCode() int { return exitcode.Failed }

// Refusal is why the state of an object forbids what was asked for.
type Refusal int

// The refusals.
const (
	// Exists: there is one of that name already.
	Exists Refusal = iota + 1
	// BeingDeleted: it, or what it is part of, is on its way out.
	BeingDeleted
	// Protected: its deletion protection is on.
	Protected
	// Busy: another one of its kind is on its way in or out, and only one may be.
	Busy
	// Full: there are as many as there can be.
	Full
	// Connected: the cluster is a connected one, which Naru doesn't run.
	Connected
	// NoRoom: it was asked for, and there is no room for it; it is done as soon as there is.
	NoRoom
)

// RefusedError says that the state of an object forbids what was asked for. Nothing was changed, but for NoRoom.
type RefusedError struct {
	Reason  Refusal
	Message string
}

func (e *RefusedError) Error() string { return e.Message }

// ExitCode implements the convention of package exitcode.
func (*RefusedError) ExitCode() int { return exitcode.Failed }

// WaitError says that a wait ended before what was waited for came. What was asked for stays
// asked for and goes on.
type WaitError struct {
	// What was waited for, as `cluster "prod" to be ready`.
	What string
	// Missing is what was last seen to be missing.
	Missing []string
	// Interrupted tells that the user ended the wait; otherwise its time was up.
	Interrupted bool
	// After is how long was waited.
	After time.Duration
	// Watch and Look are commands to go on with.
	Watch, Look string
}

func (e *WaitError) Error() string {
	var b strings.Builder
	if e.Interrupted {
		fmt.Fprintf(&b, "stopped waiting for %s", e.What)
	} else {
		fmt.Fprintf(&b, "waited %s in vain for %s", e.After.Round(time.Second), e.What)
	}
	for _, missing := range e.Missing {
		fmt.Fprintf(&b, "\n  %s", missing)
	}
	fmt.Fprintf(&b, "\nThe work goes on: watch it with %q", e.Watch)
	if e.Look != "" {
		fmt.Fprintf(&b, ", look closer with %q", e.Look)
	}
	return b.String()
}

// Outcome is the error in a word or two, where the rest of it is told elsewhere.
func (e *WaitError) Outcome() string {
	if e.Interrupted {
		return "no longer waited for"
	}
	return "not in time"
}

// ExitCode implements the convention of package exitcode.
func (e *WaitError) ExitCode() int {
	if e.Interrupted {
		return exitcode.Interrupted
	}
	return exitcode.Timeout
}
