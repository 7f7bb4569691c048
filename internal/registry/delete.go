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

// NoImageError says that the registry has no image of a name.
type NoImageError struct{ Reference string }

func (e *NoImageError) Error() string {
	return fmt.Sprintf("there is no image %s: \"naru image list\" lists those that there are", e.Reference)
}

// ExitCode implements the convention of package exitcode.
func (*NoImageError) ExitCode() int { return exitcode.Failed }

// Delete takes a tag away and, when it was the last one of its image, the image: it can't be pulled by its digest any
// more. Nodes keep what they have pulled, and the registry's disk keeps the layers.
// Errors: *OwnImageError, *NoImageError.
func (r *Registry) Delete(ctx context.Context, reference string, own Own) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("reading the name %q: %w", reference, err)
	}
	if err := own.check(tag); err != nil {
		return err
	}
	descriptor, err := remote.Head(tag, r.with(ctx)...)
	if missing(err) {
		return &NoImageError{Reference: tag.String()}
	}
	if err != nil {
		return fmt.Errorf("looking for %s: %w", tag, err)
	}
	if err := remote.Delete(tag, r.with(ctx)...); err != nil {
		return fmt.Errorf("deleting %s: %w", tag, err)
	}
	others, err := r.tags(ctx, tag.Repository)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.Digest == descriptor.Digest.String() {
			return nil
		}
	}
	if err := remote.Delete(tag.Repository.Digest(descriptor.Digest.String()), r.with(ctx)...); err != nil && !missing(err) {
		return fmt.Errorf("deleting %s by its digest: %w", tag, err)
	}
	return nil
}

// missing tells that the registry has no image, or no repository, of a name.
func missing(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
