package ecr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many images are asked for together.
const atOnce = 8

// Upstream is the registry: a door that anybody reads by, and one that this user writes by.
type Upstream struct {
	// Read and Write are URLs without a path.
	Read, Write    *url.URL
	User, Password string
	Transport      http.RoundTripper

	once   sync.Once
	puller *remote.Puller
	pusher *remote.Pusher
	err    error
}

// open makes the clients, once: they remember how the registry is spoken to.
func (u *Upstream) open() error {
	u.once.Do(func() {
		auth := &authn.Basic{Username: u.User, Password: u.Password}
		var errRead, errWrite error
		u.puller, errRead = remote.NewPuller(remote.WithTransport(u.Transport))
		u.pusher, errWrite = remote.NewPusher(remote.WithTransport(u.Transport), remote.WithAuth(auth))
		u.err = errors.Join(errRead, errWrite)
	})
	return u.err
}

func repositoryAt(door *url.URL, path string) (name.Repository, error) {
	host, err := name.NewRegistry(door.Host)
	if err != nil {
		return name.Repository{}, fmt.Errorf("naming the registry: %w", err)
	}
	return host.Repo(path), nil
}

// missing tells that the registry has no image, or no repository, of a name.
func missing(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// catalog returns the names that the registry knows, also of repositories that have no images any more.
func (u *Upstream) catalog(ctx context.Context) ([]string, error) {
	if err := u.open(); err != nil {
		return nil, err
	}
	host, err := name.NewRegistry(u.Read.Host)
	if err != nil {
		return nil, fmt.Errorf("naming the registry: %w", err)
	}
	pages, err := u.puller.Catalogger(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("listing the registry's repositories: %w", err)
	}
	var names []string
	for pages.HasNext() {
		page, err := pages.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the registry's repositories: %w", err)
		}
		names = append(names, page.Repos...)
	}
	return names, nil
}

// tags returns the tags of a repository, sorted; one that the registry does not know has none.
func (u *Upstream) tags(ctx context.Context, path string) ([]string, error) {
	at, err := repositoryAt(u.Read, path)
	if err != nil {
		return nil, err
	}
	if err := u.open(); err != nil {
		return nil, err
	}
	tags, err := u.puller.List(ctx, at)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w", path, err)
	}
	slices.Sort(tags)
	return tags, nil
}

// head finds an image by a tag or a digest.
func (u *Upstream) head(ctx context.Context, path, reference string) (descriptor *v1.Descriptor, found bool, err error) {
	at, err := u.reference(u.Read, path, reference)
	if err != nil {
		return nil, false, err
	}
	descriptor, err = u.puller.Head(ctx, at)
	if missing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("looking for %s of %s: %w", reference, path, err)
	}
	return descriptor, true, nil
}

// get reads an image by a tag or a digest.
func (u *Upstream) get(ctx context.Context, path, reference string) (image *remote.Descriptor, found bool, err error) {
	at, err := u.reference(u.Read, path, reference)
	if err != nil {
		return nil, false, err
	}
	image, err = u.puller.Get(ctx, at)
	if missing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s of %s: %w", reference, path, err)
	}
	return image, true, nil
}

func (u *Upstream) reference(door *url.URL, path, reference string) (name.Reference, error) {
	at, err := repositoryAt(door, path)
	if err != nil {
		return nil, err
	}
	if _, err := v1.NewHash(reference); err == nil {
		return at.Digest(reference), u.open()
	}
	return at.Tag(reference), u.open()
}

// stored is an image with all of its tags.
type stored struct {
	digest, mediaType string
	tags              []string
}

// images returns those that have a tag, by digest. The registry can't be asked for others.
func (u *Upstream) images(ctx context.Context, path string) ([]stored, error) {
	tags, err := u.tags(ctx, path)
	if err != nil {
		return nil, err
	}
	found := make([]*v1.Descriptor, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, tag := range tags {
		group.Go(func() (err error) {
			found[i], _, err = u.head(ctx, path, tag)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var images []stored
	for i, descriptor := range found {
		if descriptor == nil { // it was deleted meanwhile
			continue
		}
		digest := descriptor.Digest.String()
		at := slices.IndexFunc(images, func(s stored) bool { return s.digest == digest })
		if at < 0 {
			images = append(images, stored{digest: digest, mediaType: string(descriptor.MediaType)})
			at = len(images) - 1
		}
		images[at].tags = append(images[at].tags, tags[i])
	}
	return images, nil
}

// delete takes tags away, and then the image, if a digest is given.
func (u *Upstream) delete(ctx context.Context, path string, tags []string, digest string) error {
	if digest != "" {
		tags = append(slices.Clone(tags), digest)
	}
	for _, reference := range tags {
		at, err := u.reference(u.Write, path, reference)
		if err != nil {
			return err
		}
		if err := u.pusher.Delete(ctx, at); err != nil && !missing(err) {
			return fmt.Errorf("deleting %s of %s: %w", reference, path, err)
		}
	}
	return nil
}
