package ecr

import (
	"net/http"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Root is where the paths of a registry begin:
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
const Root = "/v2/"

var (
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	uploadForm = regexp.MustCompile(`^[A-Za-z0-9_=.-]{1,256}$`)
)

func validTag(tag string) bool { return tagForm.MatchString(tag) && tag != "." && tag != ".." }

func validDigest(digest string) bool {
	_, err := v1.NewHash(digest)
	return err == nil
}

// route is a request for a repository, as a registry is asked.
type route struct {
	repository string
	// action is the right that it takes.
	action string
	// rest is what follows the repository's name, as /manifests/1.
	rest string
	// tag is written to, if any.
	tag string
	// begins tells that the request is the beginning of a push, or its end: the repository must be there.
	begins bool
	// writes by the door for writing.
	writes bool
	// asks with its query. That of others is dropped: with it, a layer can be taken out of another repository.
	asks bool
}

// parse reads a request's method and path; ok is false where it is none that is let through. What a path says is decided by its
// last two segments alone, none of which has a slash: the registry can't read it in another way. It is pure.
func parse(method, path string) (route, bool) {
	segments := strings.Split(strings.TrimPrefix(path, Root), "/")
	if !strings.HasPrefix(path, Root) || len(segments) < 3 {
		return route{}, false
	}
	kind, last, before := segments[len(segments)-2], segments[len(segments)-1], segments[:len(segments)-2]
	reads := method == http.MethodGet || method == http.MethodHead
	r := route{rest: "/" + kind + "/" + last}
	switch {
	case kind == "manifests" && reads && (validTag(last) || validDigest(last)):
		r.action = "ecr:BatchGetImage"
	case kind == "manifests" && method == http.MethodPut && (validTag(last) || validDigest(last)):
		r.action, r.writes, r.begins = "ecr:PutImage", true, true
		if !validDigest(last) {
			r.tag = last
		}
	case kind == "blobs" && method == http.MethodHead && validDigest(last):
		r.action = "ecr:BatchCheckLayerAvailability"
	case kind == "blobs" && method == http.MethodGet && validDigest(last):
		r.action = "ecr:GetDownloadUrlForLayer"
	case kind == "tags" && last == "list" && method == http.MethodGet:
		r.action, r.asks = "ecr:ListImages", true
	case kind == "uploads" && len(before) > 1 && before[len(before)-1] == "blobs":
		before = before[:len(before)-1]
		r.rest, r.writes = "/blobs/uploads/"+last, true
		if !r.upload(method, last) {
			return route{}, false
		}
	default:
		return route{}, false
	}
	r.repository = strings.Join(before, "/")
	return r, valid(r.repository)
}

// upload is a step of sending a layer.
func (r *route) upload(method, id string) bool {
	if id == "" {
		r.action, r.begins = "ecr:InitiateLayerUpload", true
		return method == http.MethodPost
	}
	r.asks = true
	switch method {
	case http.MethodPatch, http.MethodGet, http.MethodDelete:
		r.action = "ecr:UploadLayerPart"
	case http.MethodPut:
		r.action = "ecr:CompleteLayerUpload"
	default:
		return false
	}
	return uploadForm.MatchString(id) && id != "." && id != ".."
}
