package release

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// keySchema changes when entries that were cached before must not be used any more.
const keySchema = "1"

// key hashes the parts that something is made of. Parts are told apart: ("ab", "c") and
// ("a", "bc") have different keys.
func key(parts ...string) string {
	sum := sha256.New()
	for _, part := range append([]string{keySchema}, parts...) {
		fmt.Fprintf(sum, "%d:%s\n", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32]
}

// componentKey is the key of a component's programs: its go.mod, go.sum, Go files and patches, how
// it is built and by which Go.
func componentKey(source fs.FS, component Component, version, goVersion string) (string, error) {
	parts := append([]string{"component", component.Name, version, goVersion, fmt.Sprint(component.Cgo)},
		component.goFlags(version)...)
	for _, program := range component.Programs {
		parts = append(parts, program.Name, program.Package)
	}
	root := path.Join("components", component.Dir)
	err := fs.WalkDir(source, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isBuildInput(entry.Name()) {
			return err
		}
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		parts = append(parts, strings.TrimPrefix(name, root), string(data))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("hashing the sources of %s: %w", component.Name, err)
	}
	return key(parts...), nil
}

func isBuildInput(name string) bool {
	return name == "go.mod" || name == "go.sum" || strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".patch")
}

// fileKey is the key of a file's content.
func fileKey(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("hashing a program: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("hashing a program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32], nil
}
