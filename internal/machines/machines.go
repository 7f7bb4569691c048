// Package machines is the seam between a Machine and what realises it: a driver. The driver pod makes
// a privileged pod of the hosting cluster; every driver must pass the suite in package conformance.
package machines

import (
	"context"
	"errors"
	"fmt"

	"naru.dev/naru/api/v1alpha1"
)

// Driver makes, observes and ends machines. It decides nothing: the machine controller does. All of its methods
// return at once, without waiting for what they set off, and may be called again at any time.
type Driver interface {
	// Create makes the machine. Of a machine that exists only the bootstrap files are brought up to date.
	Create(ctx context.Context, blueprint Blueprint) error
	// Get observes the machine. It returns a NotFoundError when there is none.
	Get(ctx context.Context, key Key) (Observation, error)
	// Delete asks for the machine's end and returns nil while it is ending, a NotFoundError when nothing of it is left.
	Delete(ctx context.Context, key Key) error
}

// Key names a machine.
type Key struct {
	Cluster string
	Name    string
}

func (k Key) String() string { return k.Cluster + "/" + k.Name }

// KeyOf returns the key of a Machine.
func KeyOf(machine *v1alpha1.Machine) Key {
	return Key{Cluster: v1alpha1.ClusterOf(machine.Namespace), Name: machine.Name}
}

// Blueprint is everything that a driver needs to make a machine.
type Blueprint struct {
	Machine *v1alpha1.Machine
	Class   v1alpha1.MachineClassSpec
	// Files, by name, are put where `naru node` looks for its configuration. They hold credentials.
	Files map[string][]byte
}

// Phase is how far a machine is.
type Phase string

const (
	// Pending: asked for, not running yet; Observation.Message says what it waits for.
	Pending Phase = "Pending"
	// Running: its PID 1 runs, and the address is known.
	Running Phase = "Running"
	// Lost: it has ended, or is ending, and will not run again. A machine is not revived: it is replaced.
	Lost Phase = "Lost"
)

// Observation is what a driver sees of a machine.
type Observation struct {
	Phase Phase
	// Message is for people; it may be empty.
	Message string
	// Address in the hosting cluster's pod network; it changes when the machine's host restarts.
	Address string
	// Host is the hosting cluster's node that it runs on, and Zone the zone of that.
	Host string
	Zone string
}

// NotFoundError says that a machine does not exist.
type NotFoundError struct {
	Key Key
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("machine %s does not exist", e.Key) }

// IsNotFound tells whether err is, or wraps, a NotFoundError.
func IsNotFound(err error) bool {
	var notFound *NotFoundError
	return errors.As(err, &notFound)
}
