// Package registry pushes images into Naru's registry, lists those in it and deletes them.
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/standalone/layout"
)

// user is who may push.
const user = "naru"

// Registry is the one of this machine, reached on its published port under its own name.
type Registry struct {
	host    string
	options []remote.Option
}

// Open reads the credentials and the CA from the state folder. Nothing is sent yet.
// Errors: *platform.NotRunningError, *platform.NoAccessError.
func Open(state layout.State) (*Registry, error) {
	password, err := os.ReadFile(state.RegistryPassword())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &platform.NotRunningError{Err: err}
	case errors.Is(err, os.ErrPermission):
		return nil, &platform.NoAccessError{Path: state.RegistryPassword(), Err: err}
	case err != nil:
		return nil, fmt.Errorf("reading the registry's password: %w", err)
	}
	ca, err := os.ReadFile(state.RegistryCA())
	if err != nil {
		return nil, fmt.Errorf("reading the registry's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading the registry's CA: %s holds no certificate", state.RegistryCA())
	}
	auth := &authn.Basic{Username: user, Password: strings.TrimSpace(string(password))}
	return New(layout.RegistryHost, fmt.Sprintf("127.0.0.1:%d", layout.PushPort), pool, auth), nil
}

// New returns a registry that is called host, and in its certificate too, but listens at address.
func New(host, address string, ca *x509.CertPool, auth authn.Authenticator) *Registry {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:     &tls.Config{RootCAs: ca, ServerName: host, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
	}
	return &Registry{host: host, options: []remote.Option{remote.WithAuth(auth), remote.WithTransport(alwaysTLS{transport})}}
}

// alwaysTLS undoes go-containerregistry's belief that a host below .local speaks plain HTTP.
type alwaysTLS struct{ http.RoundTripper }

func (t alwaysTLS) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme = "https"
	return t.RoundTripper.RoundTrip(request)
}

func (r *Registry) with(ctx context.Context) []remote.Option {
	return append(slices.Clone(r.options), remote.WithContext(ctx))
}

// Ping asks the registry whether it answers.
func (r *Registry) Ping(ctx context.Context) error {
	host, err := name.NewRegistry(r.host)
	if err != nil {
		return fmt.Errorf("naming the registry: %w", err)
	}
	if _, err := remote.CatalogPage(host, "", 1, r.with(ctx)...); err != nil {
		return fmt.Errorf("asking the registry: %w", err)
	}
	return nil
}

// Push writes images under their names in this registry and returns the references to use. An archive with a name that
// the rules forbid is refused before anything is sent. Blobs that are there already are not sent again. updates, which
// may be nil, hears of bytes sent. Errors: *OwnImageError, *FixedTagError.
func (r *Registry) Push(ctx context.Context, archive *Archive, rules Rules, updates chan<- Update) ([]string, error) {
	named := make([]name.Reference, 0, len(archive.Images))
	for _, image := range archive.Images {
		reference, err := name.ParseReference(image.Name)
		if err != nil {
			return nil, fmt.Errorf("reading the name %q: %w", image.Name, err)
		}
		if err := r.check(ctx, rules, reference, image); err != nil {
			return nil, err
		}
		named = append(named, reference)
	}
	references := make([]string, 0, len(named))
	for i, image := range archive.Images {
		if err := r.write(ctx, named[i], image, updates); err != nil {
			return nil, fmt.Errorf("pushing %s: %w", named[i], err)
		}
		references = append(references, named[i].String())
	}
	return references, nil
}

// Update is how far a push is, in bytes.
type Update struct{ Sent, Total int64 }

func (r *Registry) write(ctx context.Context, reference name.Reference, image Image, updates chan<- Update) error {
	options := r.with(ctx)
	if updates != nil {
		// go-containerregistry closes the channel, so each push has one of its own.
		progress := make(chan v1.Update, 16)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for update := range progress {
				if update.Error == nil {
					updates <- Update{Sent: update.Complete, Total: update.Total}
				}
			}
		}()
		defer func() { <-done }()
		options = append(options, remote.WithProgress(progress))
	}
	if image.index != nil {
		return remote.WriteIndex(reference, image.index, options...)
	}
	return remote.Write(reference, image.image, options...)
}

// Entry is an image in the registry.
type Entry struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	// Size of its layers, as they are kept, in bytes.
	Size int64 `json:"size"`
}

// List returns every tagged image, by name.
func (r *Registry) List(ctx context.Context) ([]Entry, error) {
	host, err := name.NewRegistry(r.host)
	if err != nil {
		return nil, fmt.Errorf("naming the registry: %w", err)
	}
	repositories, err := remote.Catalog(ctx, host, r.with(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	slices.Sort(repositories)
	var entries []Entry
	for _, path := range repositories {
		more, err := r.tags(ctx, host.Repo(path))
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

func (r *Registry) tags(ctx context.Context, repository name.Repository) ([]Entry, error) {
	tags, err := remote.List(repository, r.with(ctx)...)
	if missing(err) {
		return nil, nil // all of its tags were deleted; its name stays in the catalogue
	}
	if err != nil {
		return nil, fmt.Errorf("listing tags of %s: %w", repository, err)
	}
	slices.Sort(tags)
	entries := make([]Entry, 0, len(tags))
	for _, tag := range tags {
		reference := repository.Tag(tag)
		descriptor, err := remote.Get(reference, r.with(ctx)...)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", reference, err)
		}
		entry := Entry{Reference: reference.String(), Digest: descriptor.Digest.String()}
		image, err := descriptor.Image() // of an index: the one for this platform
		if err == nil {
			manifest, err := image.Manifest()
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", reference, err)
			}
			for _, layer := range manifest.Layers {
				entry.Size += layer.Size
			}
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// Pull returns an image of this registry. Its layers are fetched when they are read.
func (r *Registry) Pull(ctx context.Context, reference string) (v1.Image, error) {
	named, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("reading the name %q: %w", reference, err)
	}
	image, err := remote.Image(named, r.with(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("pulling %s: %w", reference, err)
	}
	return image, nil
}
