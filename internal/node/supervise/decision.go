package supervise

import "time"

// Back-off bounds. A node's process that dies once must be back at once (the
// repair of a killed kubelet is a promise); one that cannot start must not
// burn the machine.
const (
	firstDelay  = 100 * time.Millisecond
	longestWait = 10 * time.Second
	// steady is how long a process has to run for its earlier failures to be forgotten.
	steady = 30 * time.Second
)

// history is what the restart decision needs to know of a process.
type history struct {
	// failures counts the consecutive short runs.
	failures int
}

// exit is one end of a process.
type exit struct {
	ran     time.Duration
	success bool
}

// decision is what to do after an exit.
type decision struct {
	// restart is false when the process is done for good.
	restart bool
	after   time.Duration
	next    history
}

// decide says whether and when a process is started again. A one-shot process
// that succeeded is done; everything else comes back.
func decide(oneShot bool, h history, e exit) decision {
	if oneShot && e.success {
		return decision{}
	}
	if e.ran >= steady {
		h.failures = 0
	}
	delay := firstDelay << min(h.failures, 10)
	h.failures++
	return decision{restart: true, after: min(delay, longestWait), next: h}
}
