package errcode

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/eks/wire"
)

func TestAnswer(t *testing.T) {
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	registry := NewRegistry(model)
	missing := &types.ResourceNotFoundException{Message: aws.String("No cluster found for name: a."), ClusterName: aws.String("a")}
	for _, test := range []struct {
		reason     string
		err        error
		code       string
		status     int
		body       string
		isInternal bool
	}{
		{"when it is modelled, its members are there", missing, "ResourceNotFoundException", 404,
			`{"__type":"ResourceNotFoundException","clusterName":"a","message":"No cluster found for name: a."}`, false},
		{"when it is wrapped, it is still found", fmt.Errorf("describing: %w", missing), "ResourceNotFoundException", 404,
			`{"__type":"ResourceNotFoundException","clusterName":"a","message":"No cluster found for name: a."}`, false},
		{"when a member is unknown, it is an invalid parameter", &wire.RequestError{Problem: wire.Invalid, Message: "unknown member x"}, "InvalidParameterException", 400,
			`{"__type":"InvalidParameterException","message":"unknown member x"}`, false},
		{"when the body is no JSON, it is a serialization error", &wire.RequestError{Problem: wire.Malformed, Message: "m"}, "SerializationException", 400,
			`{"__type":"SerializationException","message":"m"}`, false},
		{"when the signature is wrong, its code is sigv4's", &sigv4.Error{Code: sigv4.InvalidSignature, Message: "m"}, "InvalidSignatureException", 403,
			`{"__type":"InvalidSignatureException","message":"m"}`, false},
		{"when there is no such operation, it is not found", &wire.RequestError{Problem: wire.UnknownOperation, Message: "m"}, "UnknownOperationException", 404,
			`{"__type":"UnknownOperationException","message":"m"}`, false},
		{"when a deadline passed, trying again is the answer", fmt.Errorf("reading: %w", context.DeadlineExceeded), "ServiceUnavailableException", 503,
			`{"__type":"ServiceUnavailableException","message":"the hosting cluster does not answer at the moment: try again"}`, true},
		{"when it is Naru's own, its text is not told", errors.New("secret s3cr3t is broken"), "ServerException", 500,
			`{"__type":"ServerException","message":"an internal failure, which is in the log of naru server beside this request's id: try again"}`, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			answer := registry.Answer(test.err)
			if answer.Code != test.code || answer.Status != test.status || registry.Internal(test.err) != test.isInternal {
				t.Errorf("got %s, %d", answer.Code, answer.Status)
			}
			if diff := cmp.Diff(test.body, string(answer.Body)); diff != "" {
				t.Error(diff)
			}
			w := httptest.NewRecorder()
			answer.Write(w)
			if got := w.Header().Get("x-amzn-ErrorType"); got != test.code || w.Code != test.status {
				t.Errorf("the header says %q, the status is %d", got, w.Code)
			}
		})
	}
}
