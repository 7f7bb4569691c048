package ecr_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// status is how the registry answered.
func status(err error) int {
	var known *transport.Error
	if err == nil || !errors.As(err, &known) {
		return 0
	}
	return known.StatusCode
}

func TestPush(t *testing.T) {
	s := newSite(t)
	create(t, s.client(), app)
	made, auth := image(t), s.login(t)
	at := s.reference(t, "team/app:1")
	if err := remote.Write(at, made, remote.WithAuth(auth)); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(at, remote.WithAuth(auth))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := pulled.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	content.Close()
	for reference, want := range map[string]int{"none/such:1": http.StatusNotFound, "etcd:mine": http.StatusNotFound} {
		if err := remote.Write(s.reference(t, reference), made, remote.WithAuth(auth)); status(err) != want || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
			t.Errorf("when there is no repository of %s, it is not pushed to: %v", reference, err)
		}
	}
	if s.pulls(t, "etcd:3", remote.WithAuth(auth)) {
		t.Error("Naru's own images are no repositories")
	}
	plain, err := auth.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range s.sent {
		if strings.Contains(sent, plain.Password) {
			t.Error("the token reached the registry")
		}
	}
	log := s.log.String()
	for _, name := range []string{"PutImage", "InitiateLayerUpload", "CompleteLayerUpload", "BatchGetImage", "GetDownloadUrlForLayer"} {
		if !strings.Contains(log, `"eventName":"`+name+`"`) {
			t.Errorf("%s is not in the audit log", name)
		}
	}
	if strings.Contains(log, plain.Password) || strings.Contains(log, password) {
		t.Error("the audit log has a secret")
	}
}

func TestWhoMay(t *testing.T) {
	s := newSite(t)
	create(t, s.client(), app)
	made, auth := image(t), s.login(t)
	at := s.reference(t, "team/app:1")
	resource := " arn:aws:ecr:naru-kr-1:111122223333:repository/team/app"
	for _, action := range []string{"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"} {
		s.change(func() { s.refused = []string{action + resource} })
		if err := remote.Write(at, made, remote.WithAuth(auth)); status(err) != http.StatusForbidden || !strings.Contains(err.Error(), action) {
			t.Errorf("when %s is not allowed, nothing is pushed: %v", action, err)
		}
	}
	s.change(func() { s.refused = nil })
	if err := remote.Write(at, made, remote.WithAuth(auth)); err != nil {
		t.Fatal(err)
	}
	s.change(func() { s.refused = []string{"ecr:BatchGetImage" + resource} })
	if _, err := remote.Get(at, remote.WithAuth(auth)); status(err) != http.StatusForbidden {
		t.Errorf("when pulling is not allowed, it is refused: %v", err)
	}
	s.change(func() { s.refused = nil })
	refusals := map[string]func() authn.Authenticator{
		"when nobody logs in":              func() authn.Authenticator { return authn.Anonymous },
		"when it is the registry's secret": func() authn.Authenticator { return &authn.Basic{Username: "naru-server", Password: password} },
		"when the token was changed": func() authn.Authenticator {
			plain, err := auth.Authorization()
			if err != nil {
				t.Fatal(err)
			}
			return &authn.Basic{Username: "AWS", Password: plain.Password[:20] + "A" + plain.Password[21:]}
		},
		"when the key is not active any more": func() authn.Authenticator { s.change(func() { s.inactive = true }); return auth },
		"when the token is over":              func() authn.Authenticator { s.change(func() { s.now = 12*time.Hour + time.Second }); return auth },
	}
	for what, with := range refusals {
		if _, err := remote.Get(at, remote.WithAuth(with())); status(err) != http.StatusUnauthorized {
			t.Errorf("%s, it is refused: %v", what, err)
		}
		s.change(func() { s.inactive, s.now = false, 0 })
	}
	if _, err := remote.Get(at, remote.WithAuth(auth)); err != nil {
		t.Errorf("when all is well again, it is pulled: %v", err)
	}
}

func TestImmutable(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	if _, err := c.PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{RepositoryName: app, ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
		t.Fatal(err)
	}
	auth := remote.WithAuth(s.login(t))
	if err := remote.Write(s.reference(t, "team/app:1"), image(t), auth); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(s.reference(t, "team/app:1"), image(t), auth); status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("when tags are immutable, none is moved: %v", err)
	}
	if err := remote.Write(s.reference(t, "team/app:2"), image(t), auth); err != nil {
		t.Errorf("a new one can be made: %v", err)
	}
}

// TestMount: with a right to one repository only, no layer of another one can be had.
func TestMount(t *testing.T) {
	s := newSite(t)
	create(t, s.client(), app)
	auth, err := s.login(t).Authorization()
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/v2/team/app/blobs/uploads/?mount=sha256:"+strings.Repeat("0", 64)+"&from=theirs", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(auth.Username, auth.Password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted || !strings.HasPrefix(answer.Header.Get("Location"), "/v2/team/app/blobs/uploads/") {
		t.Errorf("it is an upload like any other: %d, %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	for _, sent := range s.sent {
		if strings.Contains(sent, "from=theirs") {
			t.Errorf("the registry was asked to: %s", sent)
		}
	}
}
