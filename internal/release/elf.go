package release

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copyPrograms copies programs out of one file tree into another, with all shared
// libraries that they are linked against, at the paths where they were.
func copyPrograms(from, to string, programs []string) error {
	wanted := append([]string(nil), programs...)
	seen := map[string]bool{}
	for len(wanted) > 0 {
		name := wanted[0]
		wanted = wanted[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		needs, err := copyObject(from, to, name)
		if err != nil {
			return err
		}
		wanted = append(wanted, needs...)
	}
	return nil
}

// copyObject copies one program or library and returns the paths of what it needs.
func copyObject(from, to, name string) (needs []string, err error) {
	source, err := filepath.EvalSymlinks(filepath.Join(from, name))
	if err != nil {
		return nil, fmt.Errorf("copying %s: %w", name, err)
	}
	object, err := elf.Open(source)
	if err != nil {
		return nil, fmt.Errorf("copying %s: %w", name, err)
	}
	defer object.Close()
	libraries, err := object.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("finding the libraries of %s: %w", name, err)
	}
	for _, library := range libraries {
		path, err := findLibrary(from, library)
		if err != nil {
			return nil, fmt.Errorf("finding the libraries of %s: %w", name, err)
		}
		needs = append(needs, path)
	}
	if section := object.Section(".interp"); section != nil {
		interpreter, err := section.Data()
		if err != nil {
			return nil, fmt.Errorf("finding the loader of %s: %w", name, err)
		}
		needs = append(needs, strings.TrimRight(string(interpreter), "\x00"))
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, fmt.Errorf("copying %s: %w", name, err)
	}
	target := filepath.Join(to, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return nil, fmt.Errorf("copying %s: %w", name, err)
	}
	return needs, copyFile(source, target, info.Mode().Perm()&^0o022)
}

// findLibrary looks where Debian's loader looks.
func findLibrary(root, library string) (string, error) {
	for _, pattern := range []string{"lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib64", "usr/lib", "lib"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern, library))
		if err != nil {
			return "", err
		}
		if len(matches) > 0 {
			return strings.TrimPrefix(matches[0], root), nil
		}
	}
	return "", fmt.Errorf("%s: %w", library, fs.ErrNotExist)
}

// link makes target another name of source, or a copy of it across file systems.
func link(source, target string) error {
	err := os.Link(source, target)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	return copyFile(source, target, info.Mode().Perm())
}

func copyFile(source, target string, mode fs.FileMode) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}
