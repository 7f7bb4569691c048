package release

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"

	"naru.dev/naru/internal/exitcode"
)

// UnknownMinorError says that a Kubernetes minor version is not one of the source tree's.
type UnknownMinorError struct {
	Asked string
	Known []string
}

func (e *UnknownMinorError) Error() string {
	return fmt.Sprintf("Kubernetes %q is not among the versions that this Naru builds: choose one of %s (or pin another one with components/new-kubernetes.sh)",
		e.Asked, strings.Join(e.Known, ", "))
}

// ExitCode implements the convention of package exitcode.
func (*UnknownMinorError) ExitCode() int { return exitcode.Usage }

// Minors lists the Kubernetes minor versions that a source tree pins, newest first.
func Minors(source fs.FS) ([]string, error) {
	folders, err := fs.Glob(source, "components/"+kubernetesDir+"*/go.mod")
	if err != nil {
		return nil, fmt.Errorf("listing Kubernetes versions: %w", err)
	}
	minors := make([]string, 0, len(folders))
	for _, folder := range folders {
		minors = append(minors, strings.TrimPrefix(path.Base(path.Dir(folder)), kubernetesDir))
	}
	slices.SortFunc(minors, func(a, b string) int { return minorNumber(b) - minorNumber(a) })
	return minors, nil
}

// ResolveMinor turns what a user asked for ("", "1.37", "v1.37", "1.37.1") into a minor
// version of the source tree. A patch must be the one that is pinned.
// Errors: *UnknownMinorError.
func ResolveMinor(source fs.FS, asked string) (string, error) {
	if asked == "" {
		asked = DefaultMinor
	}
	minors, err := Minors(source)
	if err != nil {
		return "", err
	}
	number := strings.TrimPrefix(asked, "v")
	for _, minor := range minors {
		if number == minor {
			return minor, nil
		}
		if !strings.HasPrefix(number, minor+".") {
			continue
		}
		pinned, err := kubernetes(minor).Version(source)
		if err != nil {
			return "", err
		}
		if "v"+number == pinned {
			return minor, nil
		}
	}
	return "", &UnknownMinorError{Asked: asked, Known: minors}
}

// KubernetesVersion returns the full version, "v1.37.1", that a minor version is pinned to.
func KubernetesVersion(source fs.FS, minor string) (string, error) {
	return kubernetes(minor).Version(source)
}

// Version reads the component's version, "v1.37.1", from its go.mod.
func (c Component) Version(source fs.FS) (string, error) {
	name := path.Join("components", c.Dir, "go.mod")
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return "", fmt.Errorf("reading the version of %s: %w", c.Name, err)
	}
	file, err := modfile.ParseLax(name, data, nil)
	if err != nil {
		return "", fmt.Errorf("reading the version of %s: %w", c.Name, err)
	}
	for _, require := range file.Require {
		if require.Mod.Path == c.Module {
			return require.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("reading the version of %s: %s does not require %s", c.Name, name, c.Module)
}

// minorNumber orders minor versions; what is no version comes last.
func minorNumber(minor string) int {
	_, number, ok := strings.Cut(minor, ".")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n
}
