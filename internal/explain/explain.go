// Package explain turns errors into what a user reads and into an exit code. It is the one place
// that does; everything below it returns errors as they are. It is pure.
package explain

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/exitcode"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/standalone/layout"
)

// Usage marks an error as one of the command line.
func Usage(err error) error { return usageError{err} }

// Usagef is Usage for a message.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type usageError struct{ error }

// ExitCode implements the convention of package exitcode.
func (usageError) ExitCode() int   { return exitcode.Usage }
func (e usageError) Unwrap() error { return e.error }

// Error returns what to print for err, without a prefix, and the exit code. The text may be
// empty: everything was said already.
func Error(err error) (text string, code int) {
	var coded interface {
		error
		ExitCode() int
	}
	var status apierrors.APIStatus
	// A program that was run has a method of this name, too, and says nothing but "exit status 1".
	var foreign *exec.ExitError
	switch {
	case err == nil:
		return "", exitcode.OK
	case errors.As(err, &coded) && !errors.As(coded, &foreign):
		return coded.Error(), coded.ExitCode()
	case hostingUnreachable(err):
		return (&platform.NotRunningError{}).Error(), exitcode.NotRunning
	case errors.As(err, &status):
		return apiError(err, status.Status())
	case errors.Is(err, context.Canceled):
		return "interrupted", exitcode.Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		return err.Error(), exitcode.Timeout
	}
	return err.Error(), exitcode.Failed
}

// hostingUnreachable tells that nothing listens where the hosting cluster's API is published.
func hostingUnreachable(err error) bool {
	var request *url.Error
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &request) {
		return false
	}
	address, parseErr := url.Parse(request.URL)
	return parseErr == nil && address.Port() == fmt.Sprint(layout.HostingPort)
}

func apiError(err error, status metav1.Status) (string, int) {
	switch status.Reason {
	case metav1.StatusReasonInvalid:
		return invalid(status), exitcode.Usage
	case metav1.StatusReasonBadRequest:
		return strip(status.Message), exitcode.Usage
	case metav1.StatusReasonUnauthorized:
		return `the hosting cluster refused this machine's credentials: run "naru up" to renew them`, exitcode.Failed
	case metav1.StatusReasonForbidden, metav1.StatusReasonNotFound, metav1.StatusReasonAlreadyExists, metav1.StatusReasonConflict:
		return strip(status.Message), exitcode.Failed
	}
	return err.Error(), exitcode.Failed
}

// noCEL begins a cause that only says that other causes kept rules from being evaluated.
const noCEL = "some validation rules were not checked"

func invalid(status metav1.Status) string {
	subject := "the object"
	if d := status.Details; d != nil && d.Kind != "" {
		subject = strings.TrimSpace(fmt.Sprintf("%s %q", strings.ToLower(d.Kind), d.Name))
	}
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return fmt.Sprintf("%s is not valid: %s", subject, strip(status.Message))
	}
	causes := make([]string, 0, len(status.Details.Causes))
	for _, cause := range status.Details.Causes {
		text := strip(cause.Message)
		if strings.HasPrefix(text, noCEL) {
			continue
		}
		if cause.Field != "" && cause.Field != "<nil>" {
			text = cause.Field + ": " + text
		}
		causes = append(causes, text)
	}
	if len(causes) == 1 {
		return fmt.Sprintf("%s is not valid: %s", subject, causes[0])
	}
	return fmt.Sprintf("%s is not valid:\n  %s", subject, strings.Join(causes, "\n  "))
}

// noise is what the API server writes before the words of a rule: `Invalid value: "object": …`.
// The value is in the manifest; repeating it, at times as a Go map, hides the sentence that matters.
var noise = regexp.MustCompile(`^Invalid value: (?:(?:"(?:[^"\\]|\\.)*"|\{.*\}|map\[.*\]|[^\s:"]+): )?`)

func strip(message string) string { return noise.ReplaceAllString(message, "") }
