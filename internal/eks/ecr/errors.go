package ecr

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// failure is an error of ECR's model: what a client did wrong.
type failure struct {
	status  int
	code    string
	message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func failed(code, format string, args ...any) error {
	return &failure{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return failed("InvalidParameterException", format, args...)
}

func (h *Handler) noRepository(name string) error {
	return failed("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, h.Site.Account)
}

// noImage is in ECR's words, which has 'null' for what was not given.
func (h *Handler) noImage(repository string, id imageID) error {
	return failed("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
		orNull(id.Digest), orNull(id.Tag), repository, h.Site.Account)
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

// write answers with the error; botocore reads its code from the header, the Go SDK from either.
func (f *failure) write(w http.ResponseWriter) {
	body, err := json.Marshal(map[string]string{"__type": f.code, "message": f.message})
	if err != nil {
		body = []byte("{}") // strings can always be encoded
	}
	w.Header().Set("x-amzn-ErrorType", f.code)
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(f.status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}
