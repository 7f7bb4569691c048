package authenticator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam/token"
)

// RecordsOf is what each line begins with that tells of a cluster's tokens: the order of a line's members is part of what readers
// rely on, as all clusters' lines are in one log.
func RecordsOf(cluster string) string { return `{"log":"authenticator","cluster":"` + cluster + `",` }

// Records writes down what came of tokens, for clusters that want it, one JSON object a line. It is safe for concurrent use.
type Records struct {
	clusters client.Reader
	report   func(error)

	mu  sync.Mutex
	out io.Writer
}

// NewRecords returns one that asks clusters for who wants a log.
func NewRecords(clusters client.Reader, out io.Writer, report func(error)) *Records {
	return &Records{clusters: clusters, out: out, report: report}
}

// Of returns who hears of a cluster's tokens; nil where the cluster wants no log. A cluster that can't be read gets none, and it is reported.
func (r *Records) Of(ctx context.Context, name string) func(token.Record) {
	cluster := &v1alpha1.Cluster{}
	if err := r.clusters.Get(ctx, client.ObjectKey{Name: name}, cluster); client.IgnoreNotFound(err) != nil {
		r.report(fmt.Errorf("reading whether cluster %q wants a log: %w", name, err))
		return nil
	}
	if cluster.Spec.ControlPlane.AuthenticatorLog != v1alpha1.AuthenticatorLogEnabled {
		return nil
	}
	return func(record token.Record) { r.write(name, record) }
}

func (r *Records) write(cluster string, record token.Record) {
	text, err := json.Marshal(record)
	if err == nil {
		line := append([]byte(RecordsOf(cluster)), text[1:]...)
		r.mu.Lock()
		defer r.mu.Unlock()
		_, err = r.out.Write(append(line, '\n'))
	}
	if err != nil {
		r.report(fmt.Errorf("writing down a token review of cluster %q: %w", cluster, err))
	}
}
