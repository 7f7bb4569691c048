package ecr_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// statement is a policy of one statement about Alice.
func statement(effect, actions string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"` + effect + `","Principal":{"AWS":"arn:aws:iam::` + account + `:user/alice"},"Action":` + actions + `}]}`)
}

// push pushes an image.
func (s *site) push(t *testing.T, reference string) error {
	t.Helper()
	return remote.Write(s.reference(t, reference), image(t), remote.WithAuth(s.login(t)))
}

func TestRepositoryPolicy(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	which := &ecr.GetRepositoryPolicyInput{RepositoryName: app}
	if _, err := c.GetRepositoryPolicy(t.Context(), which); code(err) != "RepositoryPolicyNotFoundException" {
		t.Errorf("when there is none, it says so: %v", err)
	}
	for what, in := range map[string]*ecr.SetRepositoryPolicyInput{
		"when it is no policy":                   {RepositoryName: app, PolicyText: aws.String(`{"Statement":[]}`)},
		"when it names resources":                {RepositoryName: app, PolicyText: aws.String(strings.Replace(*statement("Deny", `"ecr:PutImage"`), `"Action"`, `"Resource":"*","Action"`, 1))},
		"when its author would lock himself out": {RepositoryName: app, PolicyText: statement("Deny", `"ecr:*"`)},
		"when it is longer than ECR takes":       {RepositoryName: app, PolicyText: aws.String(*statement("Deny", `"ecr:PutImage"`) + strings.Repeat(" ", 10240))},
		"when the registry is another's":         {RepositoryName: app, PolicyText: statement("Deny", `"ecr:PutImage"`), RegistryId: aws.String("999988887777")},
	} {
		if _, err := c.SetRepositoryPolicy(t.Context(), in); code(err) != "InvalidParameterException" {
			t.Errorf("%s, it is refused: %v", what, err)
		}
	}
	if err := s.push(t, "team/app:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetRepositoryPolicy(t.Context(), &ecr.SetRepositoryPolicyInput{RepositoryName: app, PolicyText: statement("Deny", `["ecr:PutImage","ecr:ListImages"]`)}); err != nil {
		t.Fatal(err)
	}
	if err := s.push(t, "team/app:2"); err == nil || !strings.Contains(err.Error(), "DENIED") {
		t.Errorf("when the repository's policy denies pushes, a push is refused: %v", err)
	}
	if _, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app}); code(err) != "AccessDeniedException" {
		t.Errorf("when it denies a call, the call is refused: %v", err)
	}
	if got, err := c.GetRepositoryPolicy(t.Context(), which); err != nil || *got.PolicyText != *statement("Deny", `["ecr:PutImage","ecr:ListImages"]`) {
		t.Errorf("it is told as it was written: %+v, %v", got, err)
	}
	if _, err := c.DeleteRepositoryPolicy(t.Context(), &ecr.DeleteRepositoryPolicyInput{RepositoryName: app}); err != nil {
		t.Fatal(err)
	}
	if err := s.push(t, "team/app:2"); err != nil {
		t.Errorf("when it is gone, pushes are taken: %v", err)
	}
	s.change(func() {
		s.refused = []string{"ecr:ListImages arn:aws:ecr:" + region + ":" + account + ":repository/team/app"}
	})
	if _, err := c.SetRepositoryPolicy(t.Context(), &ecr.SetRepositoryPolicyInput{RepositoryName: app, PolicyText: statement("Allow", `"ecr:ListImages"`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app}); err != nil {
		t.Errorf("when it allows what the caller's own policies do not, it is allowed: %v", err)
	}
}
