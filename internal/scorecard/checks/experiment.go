package checks

import (
	"context"
	"fmt"
	"time"

	"naru.dev/naru/internal/scorecard"
)

// experiment is something that is done once and that several rows judge. It works in a namespace of its own.
type experiment[O any] struct {
	name    string
	limit   time.Duration
	observe func(ctx context.Context, p *project, o *O) error

	made once[observation[O]]
}

// observation is what came of an experiment. What went wrong in it is its rows' failure, as far as they need what is missing.
type observation[O any] struct {
	seen O
	log  *scorecard.Log
	err  error
}

// run makes the experiment, unless it was made. An error means that it never began.
func (e *experiment[O]) run(ctx context.Context, lab *Lab) (observation[O], error) {
	return e.made.get(func() (observation[O], error) {
		if _, err := lab.Main(ctx); err != nil {
			return observation[O]{}, err
		}
		o := observation[O]{log: scorecard.NewLog(lab.Now)}
		ctx, cancel := context.WithTimeoutCause(ctx, e.limit, &scorecard.TimeError{Limit: e.limit})
		defer cancel()
		p, err := lab.project(ctx, e.name, o.log)
		if err != nil {
			return o, err
		}
		defer p.leave()
		o.err = e.observe(ctx, p, &o.seen)
		return o, nil
	})
}

// row is a row that judges the experiment; each has all of its evidence.
func (e *experiment[O]) row(lab *Lab, check trial[O]) scorecard.Check {
	check.limit = e.limit                // so that it starts as early as its time asks for
	check.alone = "experiment " + e.name // two that wait for one experiment would keep others waiting
	check.prepare = func(ctx context.Context) error { _, err := e.run(ctx, lab); return err }
	check.observe = func(ctx context.Context, log *scorecard.Log, o *O) error {
		made, err := e.run(ctx, lab)
		if err != nil {
			return err
		}
		*o = made.seen
		for _, entry := range made.log.Entries() {
			log.Add(fmt.Sprintf("[%.1fs of one experiment for several rows] %s", entry.At, entry.Did), entry.Saw)
		}
		return made.err
	}
	return check.check()
}
