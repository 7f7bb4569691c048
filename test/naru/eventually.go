package naru

import (
	"context"
	"fmt"
	"time"
)

// Eventually calls check until it returns nil. After limit it returns an error that says what was
// awaited and what check said last.
func Eventually(ctx context.Context, what string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const pause = 200 * time.Millisecond
	last := check(ctx)
	for last != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %v for %s: %w", limit, what, last)
		case <-time.After(pause):
		}
		// What the end of the wait itself broke says nothing.
		if err := check(ctx); ctx.Err() == nil || err == nil {
			last = err
		}
	}
	return nil
}
