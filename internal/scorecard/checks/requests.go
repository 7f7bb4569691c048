package checks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// requests is a loop of requests from a pod to a URL, or to the next one where that does not answer. It runs in the pod and writes into a file there, so that it goes
// on when the way to the pod, not the one that is asked, is disturbed.
type requests struct {
	p         *project
	from, url string
}

// request begins the loop.
func (p *project) request(ctx context.Context, from string, urls ...string) (*requests, error) {
	const fetch = "timeout 2 wget -qO- "
	script := fmt.Sprintf(`rm -f /tmp/stop /tmp/stopped /tmp/answers
(while [ ! -e /tmp/stop ]; do
  a=$( (%s) 2>/dev/null) || a=FAILED
  read up idle </proc/uptime
  echo "$up $a" >>/tmp/answers
  usleep 50000
done; touch /tmp/stopped) </dev/null >/dev/null 2>&1 &
for i in $(seq 100); do [ -s /tmp/answers ] && break; usleep 100000; done; wc -l </tmp/answers`, fetch+strings.Join(urls, " || "+fetch))
	got, err := p.sh(ctx, from, script)
	if n, parseErr := strconv.Atoi(strings.TrimSpace(got)); err == nil && (parseErr != nil || n == 0) {
		err = fmt.Errorf("no request was made: %q", got)
	}
	return &requests{p, from, strings.Join(urls, ", else ")}, err
}

// seen is what came of a loop of requests.
type seen struct {
	Replies []reply
	Failed  int
	// Gap is the longest time without an answer.
	Gap time.Duration
	// Order are the markers, in the order in which they were seen, without repetitions.
	Order []string
}

// Total counts the requests.
func (s seen) Total() int { return len(s.Replies) + s.Failed }

func (s seen) String() string {
	return fmt.Sprintf("%d requests, %d failed, longest time without an answer %s, versions in order: %s",
		s.Total(), s.Failed, seconds(s.Gap), strings.Join(s.Order, " "))
}

// stop ends the loop and returns what it saw.
func (r *requests) stop(ctx context.Context) (seen, error) {
	var text string
	err := await(ctx, "the requests' answers", time.Minute, func(ctx context.Context) (err error) {
		text, err = r.p.sh(ctx, r.from, "touch /tmp/stop; while [ ! -e /tmp/stopped ]; do usleep 100000; done; cat /tmp/answers")
		return err
	})
	if err != nil {
		return seen{}, err
	}
	s := parseAnswers(text)
	r.p.log.Add("requests without pause from "+r.from+" to "+r.url, s.String())
	return s, nil
}

// parseAnswers reads lines of a time in seconds and an answer.
func parseAnswers(text string) seen {
	var s seen
	last := -1.0
	for line := range strings.Lines(text) {
		stamp, answer, found := strings.Cut(strings.TrimSpace(line), " ")
		at, err := strconv.ParseFloat(stamp, 64)
		if !found || err != nil {
			continue
		}
		if last < 0 {
			last = at
		}
		r, ok := parseReply(answer)
		// A gap that is still open at the end counts, too.
		s.Gap = max(s.Gap, time.Duration((at-last)*float64(time.Second)))
		if !ok {
			s.Failed++
			continue
		}
		last = at
		s.Replies = append(s.Replies, r)
		if len(s.Order) == 0 || s.Order[len(s.Order)-1] != r.Marker {
			s.Order = append(s.Order, r.Marker)
		}
	}
	return s
}

// count tells how many replies have a marker.
func count(replies []reply, marker string) int {
	n := 0
	for _, r := range replies {
		if r.Marker == marker {
			n++
		}
	}
	return n
}

// answering is how many different pods have replied.
func answering(replies []reply) int {
	pods := map[string]bool{}
	for _, r := range replies {
		pods[r.Pod] = true
	}
	return len(pods)
}
