// Package thread runs code on threads whose namespaces may be changed.
package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Throwaway runs f on a thread that ends afterwards, whatever f has done to
// its namespaces, and never on the main thread: that one can't end, and
// /proc/self shows its namespaces.
func Throwaway(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// While this goroutine holds the main thread, no other gets it.
			done <- Throwaway(f)
			runtime.UnlockOSThread()
			return
		}
		// Not unlocked: the runtime ends the thread with the goroutine.
		done <- f()
	}()
	return <-done
}
