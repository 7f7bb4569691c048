package wire

import "fmt"

// Problem is what is wrong with a request.
type Problem int

// The problems.
const (
	// UnknownOperation: no operation has this method and path.
	UnknownOperation Problem = iota
	// Malformed: the body is no JSON, or a value is of another type than the model's.
	Malformed
	// Invalid: a member, a parameter or a value that the model does not have.
	Invalid
	// TooLarge: the body has more than MaxBody bytes.
	TooLarge
)

// RequestError says why a request can't be read. Its message may be shown to whoever sent the
// request.
type RequestError struct {
	Problem Problem
	Message string
}

func (e *RequestError) Error() string { return e.Message }

func malformed(format string, args ...any) error {
	return &RequestError{Malformed, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &RequestError{Invalid, fmt.Sprintf(format, args...)}
}
