package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"naru.dev/naru/internal/exitcode"
)

// Rules are what a push must keep to.
type Rules struct {
	// Own are names that only Naru itself writes to.
	Own Own
	// Fixed are the repositories whose tags stay with the image that they were first given to.
	Fixed map[string]bool
}

// FixedTagError says that a tag belongs to another image, and can't be moved.
type FixedTagError struct{ Reference string }

func (e *FixedTagError) Error() string {
	return fmt.Sprintf("the tag of %s is another image's, and the tags of its repository are immutable, and nothing was changed: push with another tag, or \"aws ecr put-image-tag-mutability\"", e.Reference)
}

// ExitCode implements the convention of package exitcode.
func (*FixedTagError) ExitCode() int { return exitcode.Failed }

// check refuses a name that an image may not be pushed to. Errors: *OwnImageError, *FixedTagError.
func (r *Registry) check(ctx context.Context, rules Rules, reference name.Reference, image Image) error {
	if err := rules.Own.check(reference); err != nil {
		return err
	}
	if !rules.Fixed[reference.Context().RepositoryStr()] {
		return nil
	}
	there, err := remote.Head(reference, r.with(ctx)...)
	var answer *transport.Error
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return nil
	case err != nil:
		return fmt.Errorf("looking for %s: %w", reference, err)
	}
	digest, err := image.digest()
	if err != nil {
		return fmt.Errorf("reading the digest of %s: %w", reference, err)
	}
	if there.Digest != digest {
		return &FixedTagError{reference.String()}
	}
	return nil
}
