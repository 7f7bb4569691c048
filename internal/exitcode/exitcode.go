// Package exitcode is the registry of naru's exit codes; docs/cli.md documents them. An error that
// has a method ExitCode() int is one that a user reads as it is, whatever wraps it.
package exitcode

// The exit codes.
const (
	// OK: what was asked for was done.
	OK = 0
	// Failed: something went wrong on the way.
	Failed = 1
	// Usage: the command line or its input can't be; nothing was changed.
	Usage = 2
	// Timeout: what was waited for did not happen in time; the work goes on.
	Timeout = 3
	// NotRunning: Naru does not run on this machine.
	NotRunning = 4
	// Interrupted: Ctrl-C ended the command, not the work that it had asked for.
	Interrupted = 130
)
