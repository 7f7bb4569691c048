package explain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/exitcode"
)

func invalidStatus(causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: "Failure", Reason: metav1.StatusReasonInvalid, Message: "long",
		Details: &metav1.StatusDetails{Group: "naru.dev", Kind: "Cluster", Name: "prod", Causes: causes},
	}}
}

func refused(address string) error {
	return &url.Error{Op: "Get", URL: "https://" + address + "/api", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
}

func TestError(t *testing.T) {
	type answer struct {
		Text string
		Code int
	}
	cases := map[string]struct {
		err  error
		want answer
	}{
		"when there is no error, it succeeds": {nil, answer{"", exitcode.OK}},
		"when a rule refuses, it gives the rule's words and the field": {
			fmt.Errorf("creating cluster: %w", invalidStatus(metav1.StatusCause{
				Field: "spec.networking", Message: `Invalid value: "object": podCIDR can't be changed: create another cluster`,
			})),
			answer{`cluster "prod" is not valid: spec.networking: podCIDR can't be changed: create another cluster`, exitcode.Usage},
		},
		"when the value is printed as JSON, it is left out": {
			invalidStatus(metav1.StatusCause{Field: "spec", Message: `Invalid value: {"a":"b: c","d":{}}: ranges overlap: choose others`}),
			answer{`cluster "prod" is not valid: spec: ranges overlap: choose others`, exitcode.Usage},
		},
		"when the server leaves the value out, nothing is left of the prefix": {
			invalidStatus(metav1.StatusCause{Field: "spec", Message: `Invalid value: networking.serviceCIDR overlaps networking.podCIDR: choose others`}),
			answer{`cluster "prod" is not valid: spec: networking.serviceCIDR overlaps networking.podCIDR: choose others`, exitcode.Usage},
		},
		"when several rules refuse, it lists them and leaves out the remark about unchecked ones": {
			invalidStatus(
				metav1.StatusCause{Field: "spec.version", Message: `Invalid value: "nine": spec.version in body should match '^1'`},
				metav1.StatusCause{Field: "spec.controlPlane.replicas", Message: `Unsupported value: 2: supported values: "1", "3"`},
				metav1.StatusCause{Field: "<nil>", Message: `Invalid value: null: some validation rules were not checked because the object was invalid`}),
			answer{"cluster \"prod\" is not valid:\n  spec.version: spec.version in body should match '^1'\n  spec.controlPlane.replicas: Unsupported value: 2: supported values: \"1\", \"3\"", exitcode.Usage},
		},
		"when nothing listens for the hosting cluster, it says that Naru is not running": {
			fmt.Errorf("listing: %w", refused("127.0.0.1:6440")),
			answer{`Naru is not running on this machine: start it with "naru up"`, exitcode.NotRunning},
		},
		"when nothing listens elsewhere, it does not": {
			refused("127.0.0.1:6443"),
			answer{refused("127.0.0.1:6443").Error(), exitcode.Failed},
		},
		"when a usage error is wrapped, it is printed bare": {
			fmt.Errorf("parsing flags: %w", Usagef("--nodes %d is below 0", -1)),
			answer{"--nodes -1 is below 0", exitcode.Usage},
		},
		"when a program that was run failed, it is printed whole": {
			fmt.Errorf("building etcd: no such file: %w", exec.Command("false").Run()),
			answer{"building etcd: no such file: exit status 1", exitcode.Failed},
		},
		"when interrupted, it says so": {fmt.Errorf("waiting: %w", context.Canceled), answer{"interrupted", exitcode.Interrupted}},
		"when anything else, it is printed whole": {
			fmt.Errorf("reading x: %w", errors.New("disk on fire")), answer{"reading x: disk on fire", exitcode.Failed},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, code := Error(c.err)
			if diff := cmp.Diff(c.want, answer{text, code}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
