package podidentity

import (
	"crypto/sha256"
	"sync"
	"time"

	"naru.dev/naru/internal/podroles"
)

const (
	// maxCached bounds what is remembered; a node has no more pods.
	maxCached = 1000
	// freshFor is how long an answer is given again without a question: a role that was changed or taken away is seen so soon.
	freshFor = 5 * time.Minute
	// margin is how long credentials that are given out are good for at least.
	margin = 5 * time.Minute
)

// cached is an answer, the end of its token, and when it was had.
type cached struct {
	credentials podroles.Answer
	ends, at    time.Time
}

// fresh tells whether an answer needs no question, usable whether it may be given when nobody answers.
func (c cached) fresh(now time.Time) bool { return c.usable(now) && now.Sub(c.at) < freshFor }
func (c cached) usable(now time.Time) bool {
	return now.Before(c.ends) && now.Add(margin).Before(c.credentials.Credentials.Expires())
}

// cache holds answers by the hash of their token: who has the very token was given the answer before.
type cache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]cached
}

func (c *cache) get(token string) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries[sha256.Sum256([]byte(token))]
	return entry, ok
}

func (c *cache) put(token string, entry cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[[sha256.Size]byte]cached{}
	}
	if len(c.entries) >= maxCached {
		for key, old := range c.entries {
			if !old.usable(entry.at) {
				delete(c.entries, key)
			}
		}
	}
	if len(c.entries) >= maxCached {
		clear(c.entries)
	}
	c.entries[sha256.Sum256([]byte(token))] = entry
}

func (c *cache) drop(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, sha256.Sum256([]byte(token)))
}
