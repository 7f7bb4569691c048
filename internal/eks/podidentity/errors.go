package podidentity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"naru.dev/naru/internal/podroles"
)

// Code is one of the service's errors:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
type Code string

// The codes.
const (
	AccessDenied       Code = "AccessDeniedException"
	ExpiredToken       Code = "ExpiredTokenException"
	InvalidRequest     Code = "InvalidRequestException"
	InvalidToken       Code = "InvalidTokenException"
	NotFound           Code = "ResourceNotFoundException"
	Internal           Code = "InternalServerException"
	ServiceUnavailable Code = "ServiceUnavailableException"
)

// Status is the code's; a refusal is 400 here, and not 403.
func (c Code) Status() int {
	switch c {
	case NotFound:
		return http.StatusNotFound
	case Internal:
		return http.StatusInternalServerError
	case ServiceUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// Error is what a client is told.
type Error struct {
	Code    Code
	Message string
	// Cause is for the log.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// told is the error that a client gets for err. What is not the service's own is told nobody but the log.
func told(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Code: Internal, Message: "an internal failure, which is in the log of naru server: try again", Cause: err}
}

func write(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		body, status = []byte("{}"), http.StatusInternalServerError // text and numbers can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func (e *Error) write(w http.ResponseWriter) {
	w.Header().Set("x-amzn-ErrorType", string(e.Code))
	write(w, e.Code.Status(), podroles.Error{Type: string(e.Code), Message: e.Message})
}
