package logs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWanted(t *testing.T) {
	const event = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata"}` + "\n"
	const log = "I1125 20:00:00 started\n" + event + "W1125 20:00:01 slow\n"
	for name, c := range map[string]struct {
		wanted func(string) bool
		want   string
	}{
		"when nothing is chosen, all is copied":              {nil, log},
		"when the audit log is wanted, it is all there is":   {Audit, event},
		"when the rest is wanted, the audit log is left out": {NotAudit, strings.ReplaceAll(log, event, "")},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := (&lineWriter{w: &out, wanted: c.wanted}).copy("", strings.NewReader(log)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
