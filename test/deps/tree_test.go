// Package deps holds tests of the source tree itself: who may import whom, and the limits of
// CONTRIBUTING.md. They read source files only, so they are quick and need nothing built.
package deps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "naru.dev/naru"

// file is one parsed Go file of this module.
type file struct {
	// path is relative to the root of the tree.
	path   string
	syntax *ast.File
	lines  int
}

func (f file) folder() string  { return path.Dir(f.path) }
func (f file) isTest() bool    { return strings.HasSuffix(f.path, "_test.go") }
func (f file) generated() bool { return ast.IsGenerated(f.syntax) }

// imports are the import paths of a file, those of this module relative to its root.
func (f file) imports() []string {
	var found []string
	for _, spec := range f.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // The parser has let it pass, so it can't be.
		}
		found = append(found, strings.TrimPrefix(name, module+"/"))
	}
	return found
}

type tree struct {
	set   *token.FileSet
	files []file
}

// parse reads all Go files of this module: other modules below it, and test data, are not its own.
func parse(t *testing.T) tree {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := tree{set: token.NewFileSet()}
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(root, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(found.set, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		found.files = append(found.files, file{path: name, syntax: syntax, lines: strings.Count(string(source), "\n")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.files) == 0 {
		t.Fatal("no Go file was found, so nothing would be tested")
	}
	return found
}

func enter(root, name string) error {
	base := path.Base(name)
	if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(root, name, "go.mod")); err == nil && name != "." {
		return fs.SkipDir
	}
	return nil
}

// graph maps each package to all that its files import, tests left out.
func (t tree) graph() map[string][]string {
	sets := map[string]map[string]bool{}
	for _, f := range t.files {
		if f.isTest() {
			continue
		}
		if sets[f.folder()] == nil {
			sets[f.folder()] = map[string]bool{}
		}
		for _, name := range f.imports() {
			sets[f.folder()][name] = true
		}
	}
	graph := map[string][]string{}
	for name, set := range sets {
		graph[name] = slices.Sorted(maps.Keys(set))
	}
	return graph
}

// within tells whether a package is one of these folders or below one.
func within(name string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return name == folder || strings.HasPrefix(name, folder+"/")
	})
}
