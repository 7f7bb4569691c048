// Package release says which Kubernetes versions, images and node OS images exist, and
// builds them from source: third-party Go modules pinned under components/, OCI images
// described under images/, a node OS from Debian packages.
//
// Everything built is cached by the content of its inputs. A build that is interrupted
// leaves nothing half made and is continued by the next one.
package release

import (
	"context"
)

// Options say what to build and where.
type Options struct {
	// Source is the root of Naru's source tree. Empty: $NARU_SOURCE, else the first
	// folder with Naru's go.mod above the working directory or above the executable.
	Source string
	// Cache is where everything built is kept. Empty: $NARU_CACHE_DIR, else
	// os.UserCacheDir()/naru.
	Cache string
	// Kubernetes is a minor version ("1.37"). Empty: DefaultMinor.
	Kubernetes string
	// Progress hears of each step. Nil: nobody does.
	Progress Progress
}

// Build makes whatever of a release is missing in the cache and returns where all of it
// is. It needs root (the node OS holds files of several owners) and the Debian packages
// that the Makefile's deps target installs. Two builds on one cache wait for each other.
//
// Errors: *UnknownMinorError, *NoSourceError, *MissingToolError, *ComponentError.
func Build(ctx context.Context, options Options) (*Built, error) {
	b, err := newBuilder(options)
	if err != nil {
		return nil, err
	}
	unlock, err := b.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return b.build(ctx)
}
