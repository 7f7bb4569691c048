package agent

import (
	"fmt"
	"net/http"
	"time"

	"naru.dev/naru/internal/node/agent/loop"
)

// unhealthyAfter is how long a loop may fail before /healthz says so.
const unhealthyAfter = time.Minute

// Health answers /healthz: 200 when both loops have synced and none has failed
// for a minute, else 503; the body says when each synced last and what is wrong.
func (a *Agent) Health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		network, policy := a.network.Status(), a.policy.Status()
		if !healthy(network, now) || !healthy(policy, now) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		// A client that went away is no concern of ours.
		_, _ = fmt.Fprintf(w, "network: %s\npolicy: %s\n", describe(network), describe(policy))
	})
	return mux
}

func healthy(s loop.Status, now time.Time) bool {
	return !s.Synced.IsZero() && (s.Err == nil || now.Sub(s.Failing) < unhealthyAfter)
}

func describe(s loop.Status) string {
	synced := "never synced"
	if !s.Synced.IsZero() {
		synced = "last synced " + s.Synced.UTC().Format(time.RFC3339)
	}
	if s.Err == nil {
		return synced
	}
	return fmt.Sprintf("%s, failing since %s: %v", synced, s.Failing.UTC().Format(time.RFC3339), s.Err)
}
