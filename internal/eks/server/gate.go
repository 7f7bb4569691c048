package server

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/time/rate"
)

// Limits say how much is let in at a time. What is beyond gets ThrottlingException, which SDKs try
// again later.
type Limits struct {
	// PerSecond and Burst of one access key.
	PerSecond, Burst int
	// AtOnce is how many calls are worked on together.
	AtOnce int
}

// DefaultLimits are for one small machine.
func DefaultLimits() Limits { return Limits{PerSecond: 300, Burst: 600, AtOnce: 256} }

// maxKeys is how many access keys and addresses are told apart. Beyond it all begin anew: somebody
// makes them up.
const maxKeys = 10000

// gate counts calls.
type gate struct {
	limits Limits
	room   chan struct{}

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

func newGate(limits Limits) *gate {
	return &gate{limits: limits, room: make(chan struct{}, limits.AtOnce), keys: map[string]*rate.Limiter{}}
}

// perAddress is how many keys' worth of calls one address may make: who signs is not known yet when it is counted, and behind
// one address there may be several.
const perAddress = 4

// enter lets a call of an address in, or not. leave is to be called when it is over.
// Errors: *types.ThrottlingException.
func (g *gate) enter(address string) (leave func(), err error) {
	if err := g.count(address); err != nil {
		return nil, err
	}
	select {
	case g.room <- struct{}{}:
		return func() { <-g.room }, nil
	default:
		return nil, throttled()
	}
}

// count counts what comes from an address. Errors: *types.ThrottlingException.
func (g *gate) count(address string) error {
	if !g.limiter(address, perAddress).Allow() {
		return throttled()
	}
	return nil
}

// admit counts a call of an access key whose signature was verified: nobody can use up another's share.
// Errors: *types.ThrottlingException.
func (g *gate) admit(key string) error {
	if !g.limiter(key, 1).Allow() {
		return throttled()
	}
	return nil
}

func throttled() error {
	text := "Rate exceeded"
	return &types.ThrottlingException{Message: &text}
}

func (g *gate) limiter(key string, share int) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.keys[key]
	if limiter == nil {
		if len(g.keys) >= maxKeys {
			clear(g.keys)
		}
		limiter = rate.NewLimiter(rate.Limit(g.limits.PerSecond*share), g.limits.Burst*share)
		g.keys[key] = limiter
	}
	return limiter
}
