package server

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/time/rate"
)

// Limits say how much is let in at a time. What is beyond gets ThrottlingException, which SDKs try
// again later.
type Limits struct {
	// PerSecond and Burst of one access key, or of one address where there is none.
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

// enter lets a call in, or not. leave is to be called when it is over. Errors: *types.ThrottlingException.
func (g *gate) enter(key string) (leave func(), err error) {
	text := "Rate exceeded"
	if !g.limiter(key).Allow() {
		return nil, &types.ThrottlingException{Message: &text}
	}
	select {
	case g.room <- struct{}{}:
		return func() { <-g.room }, nil
	default:
		return nil, &types.ThrottlingException{Message: &text}
	}
}

func (g *gate) limiter(key string) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.keys[key]
	if limiter == nil {
		if len(g.keys) >= maxKeys {
			clear(g.keys)
		}
		limiter = rate.NewLimiter(rate.Limit(g.limits.PerSecond), g.limits.Burst)
		g.keys[key] = limiter
	}
	return limiter
}
