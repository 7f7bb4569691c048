// Package errcode is the one place that turns an error into the answer that AWS's clients expect.
//
// An answer says its code twice, because clients look in different places: in the header
// x-amzn-ErrorType (botocore, and the Go SDK first) and in the body's __type. Members that the model
// has, as clusterName, stand beside message. Codes are those of the SDK's model, and the Codes of this
// package for what a request meets before it reaches EKS.
// See https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
package errcode

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/eks/wire"
)

// Code is an error that is not in EKS's model: the front door's.
type Code string

// The codes of the front door.
const (
	// UnknownOperation: no operation has this method and path.
	UnknownOperation Code = "UnknownOperationException"
	// Serialization: the body can't be read.
	Serialization Code = "SerializationException"
	// TooLarge: the body has more bytes than is allowed.
	TooLarge Code = "RequestEntityTooLargeException"
	// UnknownService: the signature is for a service that Naru does not have.
	UnknownService Code = "UnknownServiceException"
)

// Status is the code's HTTP status.
func (c Code) Status() int {
	switch c {
	case UnknownOperation, UnknownService:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	default:
		return http.StatusBadRequest
	}
}

// Error is one of the front door's errors.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Answer is an error as a client gets it.
type Answer struct {
	Code    string
	Message string
	Status  int
	Body    []byte
}

// Registry knows the codes.
type Registry struct{ model *wire.Model }

// NewRegistry returns the codes of a model and of this package.
func NewRegistry(model *wire.Model) *Registry { return &Registry{model} }

// Answer turns an error into what its client gets. An error that is none of the SDK's, sigv4's, wire's or this package's
// is Naru's own failure: its text stays here, where it may name what a client must not see, and
// Internal tells so.
func (r *Registry) Answer(err error) Answer {
	var request *wire.RequestError
	var signature *sigv4.Error
	var door *Error
	switch {
	case errors.As(err, &request):
		if request.Problem == wire.Invalid {
			return r.modelled(&types.InvalidParameterException{Message: &request.Message})
		}
		return bare(string(codeOf(request.Problem)), codeOf(request.Problem).Status(), request.Message)
	case errors.As(err, &signature):
		return bare(string(signature.Code), signature.Code.Status(), signature.Message)
	case errors.As(err, &door):
		return bare(string(door.Code), door.Code.Status(), door.Message)
	}
	return r.modelled(err)
}

func codeOf(problem wire.Problem) Code {
	switch problem {
	case wire.UnknownOperation:
		return UnknownOperation
	case wire.TooLarge:
		return TooLarge
	default:
		return Serialization
	}
}

func bare(code string, status int, message string) Answer {
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		body = []byte("{}") // strings can always be encoded
	}
	return Answer{code, message, status, body}
}

// modelled finds the SDK's exception in err, or says what Naru's own failure looks like from outside.
func (r *Registry) modelled(err error) Answer {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if code, status, body, ok := r.model.Exception(e); ok {
			return Answer{code, message(e), status, body}
		}
	}
	if Busy(err) {
		text := "the hosting cluster does not answer at the moment: try again"
		return r.modelled(&types.ServiceUnavailableException{Message: &text})
	}
	text := "an internal failure, which is in the log of naru server beside this request's id: try again"
	return r.modelled(&types.ServerException{Message: &text})
}

func message(err error) string {
	var exception interface{ ErrorMessage() string }
	if errors.As(err, &exception) {
		return exception.ErrorMessage()
	}
	return ""
}

// Internal tells whether an error is Naru's own, whose text goes into the log and not to the client.
func (r *Registry) Internal(err error) bool {
	return r.Answer(err).Status >= http.StatusInternalServerError
}

// Busy tells whether an error will go away: the hosting cluster can't be reached or has too much to do.
func Busy(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

// Write answers a request with an error.
func (a Answer) Write(w http.ResponseWriter) {
	w.Header().Set("x-amzn-ErrorType", a.Code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // a client that is gone needs no answer
}
