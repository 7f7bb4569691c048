package registry

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/exitcode"
)

// Own are the repositories of the images that Naru itself and its clusters are made of.
type Own map[string]bool

// OwnOf reads them from the releases that the platform has. It is pure.
func OwnOf(releases []v1alpha1.Release) Own {
	own := Own{}
	for _, release := range releases {
		for _, reference := range release.Spec.Images {
			// A reference that can't be read can't be pushed to either.
			if parsed, err := name.ParseReference(reference); err == nil {
				own[parsed.Context().RepositoryStr()] = true
			}
		}
	}
	return own
}

// OwnImageError says that a name is one of Naru's own images, which every cluster pulls.
type OwnImageError struct{ Reference, Repository string }

func (e *OwnImageError) Error() string {
	return fmt.Sprintf("%s is not yours to change: %q is one of the images that Naru and its clusters run, and nothing was changed; give yours another name, as team/%s:1",
		e.Reference, e.Repository, e.Repository)
}

// ExitCode implements the convention of package exitcode.
func (*OwnImageError) ExitCode() int { return exitcode.Usage }

// check refuses a name of Naru's own, whatever its tag. Errors: *OwnImageError.
func (o Own) check(reference name.Reference) error {
	if repository := reference.Context().RepositoryStr(); o[repository] {
		return &OwnImageError{Reference: reference.String(), Repository: repository}
	}
	return nil
}
