package supervise

import (
	"bytes"
	"context"
	"os"
	"time"
)

// lookEvery is how soon a changed file is noticed. Certificates are renewed months before their end.
const lookEvery = time.Second

// changedError says that a process was stopped because a file that it had read has changed.
type changedError struct{ path string }

func (e *changedError) Error() string { return e.path + " has changed" }

// contents reads files; those that are not there are as empty ones.
func contents(paths []string) map[string][]byte {
	read := make(map[string][]byte, len(paths))
	for _, path := range paths {
		read[path], _ = os.ReadFile(path)
	}
	return read
}

// changes returns where the name of the first file comes whose content is another than it was. A file that is not there
// is about to be replaced, and waited for.
func changes(ctx context.Context, was map[string][]byte) <-chan string {
	if len(was) == 0 {
		return nil
	}
	found := make(chan string, 1)
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for path, before := range was {
				if now, err := os.ReadFile(path); err == nil && !bytes.Equal(now, before) {
					found <- path
					return
				}
			}
		}
	}()
	return found
}
