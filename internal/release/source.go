package release

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// modulePath is the module that Naru's own go.mod names.
const modulePath = "naru.dev/naru"

// NoSourceError says that no source tree of Naru was found.
type NoSourceError struct{ Tried []string }

func (e *NoSourceError) Error() string {
	return fmt.Sprintf("building from source: no source tree of Naru (a go.mod of module %s) in or above %s: run this in a clone of Naru, or set NARU_SOURCE to one",
		modulePath, strings.Join(e.Tried, " or "))
}

// FindSource returns the root of Naru's source tree: explicit when it is not empty, else
// $NARU_SOURCE, else the first one in or above the working directory or the executable.
// Errors: *NoSourceError.
func FindSource(explicit string) (string, error) {
	if explicit == "" {
		explicit = os.Getenv("NARU_SOURCE")
	}
	if explicit != "" {
		root, err := filepath.Abs(explicit)
		if err != nil {
			return "", fmt.Errorf("finding the source tree: %w", err)
		}
		if isSource(root) {
			return root, nil
		}
		return "", &NoSourceError{Tried: []string{root}}
	}
	var tried []string
	for _, locate := range []func() (string, error){os.Getwd, executableDir} {
		start, err := locate()
		if err != nil {
			continue // A deleted working directory is no reason not to look elsewhere.
		}
		if root, ok := sourceAbove(start); ok {
			return root, nil
		}
		tried = append(tried, start)
	}
	return "", &NoSourceError{Tried: tried}
}

func executableDir() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

func sourceAbove(dir string) (string, bool) {
	for {
		if isSource(dir) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func isSource(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(first) == "module "+modulePath
}

// FindCache returns the build cache's folder: explicit when it is not empty, else
// $NARU_CACHE_DIR, else the user's cache folder. It need not exist.
func FindCache(explicit string) (string, error) {
	if explicit == "" {
		explicit = os.Getenv("NARU_CACHE_DIR")
	}
	if explicit != "" {
		return filepath.Abs(explicit)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the build cache: %w (set NARU_CACHE_DIR)", err)
	}
	return filepath.Join(dir, "naru"), nil
}
