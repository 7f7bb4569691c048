package supervise

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	cases := map[string]struct {
		oneShot bool
		history history
		exit    exit
		restart bool
		after   time.Duration
		fails   int
	}{
		"when a process dies for the first time, it comes back at once": {
			exit: exit{ran: time.Hour}, restart: true, after: 100 * time.Millisecond, fails: 1},
		"when it keeps dying young, the wait doubles": {
			history: history{failures: 3}, exit: exit{ran: time.Second}, restart: true, after: 800 * time.Millisecond, fails: 4},
		"when it has died very often, the wait is bounded": {
			history: history{failures: 400}, exit: exit{ran: time.Second}, restart: true, after: 10 * time.Second, fails: 401},
		"when it ran for long, its earlier failures are forgotten": {
			history: history{failures: 400}, exit: exit{ran: time.Minute}, restart: true, after: 100 * time.Millisecond, fails: 1},
		"when a service ends without an error, it comes back all the same": {
			exit: exit{ran: time.Second, success: true}, restart: true, after: 100 * time.Millisecond, fails: 1},
		"when a one-shot succeeds, it is done": {
			oneShot: true, exit: exit{ran: time.Second, success: true}},
		"when a one-shot fails, it is tried again": {
			oneShot: true, exit: exit{ran: time.Second}, restart: true, after: 100 * time.Millisecond, fails: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := decide(c.oneShot, c.history, c.exit)
			if got.restart != c.restart || got.after != c.after || got.next.failures != c.fails {
				t.Errorf("got %+v, want restart=%v after=%v failures=%d", got, c.restart, c.after, c.fails)
			}
		})
	}
}
