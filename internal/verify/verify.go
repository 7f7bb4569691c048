// Package verify checks a running platform and its clusters from outside, by using them: what
// it says was tried just now. It leaves nothing behind.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/progress"
)

// Result is the outcome of one check.
type Result struct {
	// Scope is "naru" or a cluster's name.
	Scope string
	Name  string
	Took  time.Duration
	// Err is why it failed; nil when it did not.
	Err error
	// Note says what was seen, or why the check was skipped.
	Note    string
	Skipped bool
}

// Platform is the scope of checks of Naru itself.
const Platform = "naru"

// probeTime bounds a check that asks for an answer; schedulingTime one that waits for machines and pods.
const (
	probeTime      = 30 * time.Second
	schedulingTime = 3 * time.Minute
)

// Verifier checks.
type Verifier struct {
	Platform *platform.Platform
	Backend  *backend.Backend
	Progress *progress.Progress
	Now      func() time.Time
}

// Run checks Naru itself and the clusters, or only the one that is named. It returns the results
// in the order in which the checks were made, also when ctx ended early.
// Errors: *backend.NotFoundError, and those of reading the clusters.
func (v *Verifier) Run(ctx context.Context, cluster string) ([]Result, error) {
	clusters, err := v.clusters(ctx, cluster)
	if err != nil {
		return nil, err
	}
	s := v.suite(Platform)
	v.platform(ctx, s)
	s.end()
	results := s.results
	for i := range clusters {
		if ctx.Err() != nil {
			break
		}
		s := v.suite(clusters[i].Name)
		v.cluster(ctx, s, &clusters[i])
		s.end()
		results = append(results, s.results...)
	}
	return results, ctx.Err()
}

func (v *Verifier) clusters(ctx context.Context, name string) ([]v1alpha1.Cluster, error) {
	if name != "" {
		cluster, err := v.Backend.Cluster(ctx, name)
		if err != nil {
			return nil, err
		}
		return []v1alpha1.Cluster{*cluster}, nil
	}
	list := &v1alpha1.ClusterList{}
	if err := v.Platform.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	return list.Items, nil
}

// suite collects the results of one scope.
type suite struct {
	scope   string
	now     func() time.Time
	step    *progress.Step
	results []Result
}

func (v *Verifier) suite(scope string) *suite {
	title := scope
	if scope != Platform {
		title = "cluster " + scope
	}
	return &suite{scope: scope, now: v.Now, step: v.Progress.Step(title)}
}

func (s *suite) end() {
	failed := 0
	for _, result := range s.results {
		if result.Err != nil {
			failed++
		}
	}
	if failed > 0 {
		s.step.End("", fmt.Errorf("%d of %d checks failed", failed, len(s.results)))
		return
	}
	s.step.Done("")
}

// probe tries one thing and says what it saw.
type probe func(ctx context.Context) (note string, err error)

// check makes one check and tells whether it succeeded. When ctx has ended it makes none.
func (s *suite) check(ctx context.Context, name string, limit time.Duration, try probe) bool {
	if ctx.Err() != nil {
		return false
	}
	step := s.step.Step(name)
	began := s.now()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	note, err := try(limited)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	step.End(note, err)
	s.results = append(s.results, Result{Scope: s.scope, Name: name, Took: s.now().Sub(began), Err: err, Note: note})
	return err == nil
}

// skip records that checks could not be made.
func (s *suite) skip(why string, names ...string) {
	for _, name := range names {
		s.results = append(s.results, Result{Scope: s.scope, Name: name, Skipped: true, Note: why})
	}
}

// pause between two tries of eventually.
const pause = 500 * time.Millisecond

// eventually tries until it succeeds or ctx ends; then the last error that has another cause than
// ctx's end says why.
func eventually(ctx context.Context, try probe) (string, error) {
	var why error
	for {
		note, err := try(ctx)
		if err == nil {
			return note, nil
		}
		if why == nil || ctx.Err() == nil {
			why = err
		}
		select {
		case <-ctx.Done():
			return "", why
		case <-time.After(pause):
		}
	}
}
