package naru

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	t.Run("when a program fails, it gives the code and all that was printed", func(t *testing.T) {
		result, err := Run(exec.Command("sh", "-c", "echo out; echo err >&2; exit 3"))
		var failed *FailedError
		if !errors.As(err, &failed) || result.Code != 3 {
			t.Fatalf("got %v and code %d, want a FailedError and 3", err, result.Code)
		}
		for _, part := range []string{"sh -c", "exit code 3", "out\n", "err\n"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing in:\n%v", part, err)
			}
		}
	})
	t.Run("when a program can't be started, it says so", func(t *testing.T) {
		if _, err := Run(exec.Command("/nonexistent/naru")); err == nil {
			t.Error("got no error")
		}
	})
}

func TestEventually(t *testing.T) {
	t.Run("when the check succeeds later, it returns", func(t *testing.T) {
		calls := 0
		err := Eventually(context.Background(), "three calls", time.Minute, func(context.Context) error {
			if calls++; calls < 3 {
				return errors.New("too few")
			}
			return nil
		})
		if err != nil || calls != 3 {
			t.Errorf("got %v after %d calls", err, calls)
		}
	})
	t.Run("when time is up, it says what was awaited and what was seen last", func(t *testing.T) {
		err := Eventually(context.Background(), "rain", time.Millisecond, func(context.Context) error {
			return errors.New("the sun shines")
		})
		if err == nil || !strings.Contains(err.Error(), "rain") || !strings.Contains(err.Error(), "the sun shines") {
			t.Errorf("got %v", err)
		}
	})
}
