package query

import (
	"errors"
	"fmt"
	"net/http"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

// Error is an error of IAM or STS, as clients know it by its code.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fault(status int, code, format string, args ...any) error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func validation(format string, args ...any) error {
	return fault(http.StatusBadRequest, "ValidationError", format, args...)
}

func noSuchEntity(format string, args ...any) error {
	return fault(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func deleteConflict(message string) error {
	return fault(http.StatusConflict, "DeleteConflict", "%s", message)
}

func limitExceeded(format string, args ...any) error {
	return fault(http.StatusConflict, "LimitExceeded", format, args...)
}

func malformed(err error) error {
	return fault(http.StatusBadRequest, "MalformedPolicyDocument", "%v", err)
}

// toError turns any error into one of the wire. ok is false for those that are Naru's own, whose text is nobody's
// business.
func toError(err error) (known *Error, ok bool) {
	var missing *iam.NotFoundError
	var exists *iam.ExistsError
	var conflict *iam.ConflictError
	var signature *sigv4.Error
	var document *policy.Error
	switch {
	case errors.As(err, &known):
		return known, true
	case errors.As(err, &missing):
		return &Error{http.StatusNotFound, "NoSuchEntity", missing.Error()}, true
	case errors.As(err, &exists):
		return &Error{http.StatusConflict, "EntityAlreadyExists", exists.Error()}, true
	case errors.As(err, &conflict):
		return &Error{http.StatusConflict, "ConcurrentModification", conflict.Error()}, true
	case errors.As(err, &signature):
		return &Error{signature.Code.Status(), signature.Code.Query(), signature.Message}, true
	case errors.As(err, &document):
		return &Error{http.StatusBadRequest, "MalformedPolicyDocument", document.Error()}, true
	}
	return &Error{http.StatusInternalServerError, "ServiceFailure", "The request could not be answered; the server's log says why."}, false
}
