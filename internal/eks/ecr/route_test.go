package ecr

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, test := range []struct{ method, path, repository, action string }{
		{"GET", "/v2/team/app/manifests/1", "team/app", "ecr:BatchGetImage"},
		{"HEAD", "/v2/app/manifests/" + digest, "app", "ecr:BatchGetImage"},
		{"PUT", "/v2/app/manifests/1", "app", "ecr:PutImage"},
		{"HEAD", "/v2/app/blobs/" + digest, "app", "ecr:BatchCheckLayerAvailability"},
		{"GET", "/v2/app/blobs/" + digest, "app", "ecr:GetDownloadUrlForLayer"},
		{"POST", "/v2/app/blobs/uploads/", "app", "ecr:InitiateLayerUpload"},
		{"PATCH", "/v2/app/blobs/uploads/0-1", "app", "ecr:UploadLayerPart"},
		{"PUT", "/v2/app/blobs/uploads/0-1", "app", "ecr:CompleteLayerUpload"},
		{"GET", "/v2/app/tags/list", "app", "ecr:ListImages"},
		{"GET", "/v2/a1/blobs/uploads/manifests/1", "a1/blobs/uploads", "ecr:BatchGetImage"}, // a name can have such parts
		{"DELETE", "/v2/app/manifests/1", "", ""},
		{"GET", "/v2/_catalog", "", ""},
		{"GET", "/v2/app/../etcd/manifests/1", "", ""},
		{"GET", "/v2//manifests/1", "", ""},
		{"GET", "/v2/app/manifests/..", "", ""},
		{"GET", "/v2/app/blobs/uploads/..", "", ""},
		{"GET", "/v2/app/blobs/latest", "", ""},
		{"GET", "/v2/App/manifests/1", "", ""},
		{"POST", "/v2/app/blobs/uploads/0-1", "", ""},
		{"GET", "/v3/app/manifests/1", "", ""},
	} {
		got, ok := parse(test.method, test.path)
		if ok != (test.repository != "") || ok && (got.repository != test.repository || got.action != test.action) {
			t.Errorf("%s %s: %+v, %v", test.method, test.path, got, ok)
		}
	}
}

// FuzzVerify: what was not signed is no token.
func FuzzVerify(f *testing.F) {
	own := tokens{[]byte("key"), time.Now}
	good, err := own.sign(claims{AccessKeyID: "AKIA", UserID: "AIDA", Expires: time.Now().Add(time.Hour).Unix()})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := own.verify(good); err != nil {
		f.Fatal(err)
	}
	if _, err := (tokens{[]byte("another"), time.Now}).verify(good); err == nil {
		f.Error("when another key signed it, it is refused")
	}
	f.Add(good)
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := own.verify(token); err == nil && got.AccessKeyID != "AKIA" {
			t.Errorf("%q was let in", token)
		}
	})
}

func TestPlan(t *testing.T) {
	images := []stored{{digest: "sha256:a", tags: []string{"1", "2"}}, {digest: "sha256:b", tags: []string{"3"}}}
	for _, test := range []struct {
		name string
		id   imageID
		want removal
		code string
	}{
		{"when it has another tag, the image stays", imageID{Tag: "1"}, removal{tags: []string{"1"}, told: []imageID{{"sha256:a", "1"}}}, ""},
		{"when it is the last tag, the image goes", imageID{Tag: "3"}, removal{tags: []string{"3"}, digest: "sha256:b", told: []imageID{{"sha256:b", "3"}}}, ""},
		{"when it is the digest, all of its tags go", imageID{Digest: "sha256:a"}, removal{tags: []string{"1", "2"}, digest: "sha256:a", told: []imageID{{"sha256:a", "1"}, {"sha256:a", "2"}}}, ""},
		{"when no tag is of the digest, it alone is looked for", imageID{Digest: "sha256:c"}, removal{digest: "sha256:c", told: []imageID{{Digest: "sha256:c"}}}, ""},
		{"when the tag is of another digest, nothing goes", imageID{Digest: "sha256:b", Tag: "1"}, removal{}, "ImageTagDoesNotMatchDigest"},
		{"when there is no such tag, it says so", imageID{Tag: "9"}, removal{}, "ImageNotFound"},
	} {
		got, _, failure := plan(images, test.id)
		if failure != nil && failure.Code != test.code || failure == nil && (test.code != "" || !cmp.Equal(got, test.want, cmp.AllowUnexported(removal{}))) {
			t.Errorf("%s: got %+v, %+v", test.name, got, failure)
		}
	}
}
