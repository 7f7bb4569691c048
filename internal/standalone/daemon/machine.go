package daemon

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// machineSocket is held by the one daemon of a machine. An abstract socket goes
// with the process that holds it and leaves no file behind.
const machineSocket = "@naru.dev/daemon"

// ErrMachineTaken says that a daemon runs on this machine, from whatever state folder.
var ErrMachineTaken = errors.New("another Naru runs on this machine, from another state folder")

// ClaimMachine makes the caller the only one that may touch Naru's cgroups:
// all platforms of a machine share their names. Errors: ErrMachineTaken.
func ClaimMachine() (release func(), err error) {
	listener, err := net.Listen("unix", machineSocket)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, ErrMachineTaken
	}
	if err != nil {
		return nil, fmt.Errorf("claiming the machine: %w", err)
	}
	return func() { listener.Close() }, nil
}
