package release

import (
	"fmt"
	"strings"
)

// MissingToolError says that a program that the build calls is not installed.
type MissingToolError struct{ Tool string }

func (e *MissingToolError) Error() string {
	return fmt.Sprintf("the build needs %q, which is not in PATH: run `make deps` in Naru's source tree", e.Tool)
}

// ComponentError says that a tool failed while it was building something.
type ComponentError struct {
	// Step is what was being built: "etcd v3.6.16".
	Step string
	// Command is what failed, and Output the end of what it wrote.
	Command string
	Output  string
	Err     error
}

func (e *ComponentError) Error() string {
	text := fmt.Sprintf("building %s: %s: %v", e.Step, e.Command, e.Err)
	if e.Output != "" {
		text += "\n  " + strings.ReplaceAll(e.Output, "\n", "\n  ")
	}
	return text + "\nWhat was built before is kept: run the same command again to continue"
}

func (e *ComponentError) Unwrap() error { return e.Err }
