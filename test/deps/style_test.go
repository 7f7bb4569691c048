package deps

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The limits of CONTRIBUTING.md.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
	maxParameters    = 5
	maxMethods       = 5
)

// noNames say nothing about what is in a package.
var noNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "pkg"}

// leftover marks work that was not done.
var leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func TestStyle(t *testing.T) {
	tree := parse(t)
	for _, f := range tree.files {
		if f.generated() {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d: divide it by what it is about", f.path, f.lines, maxFileLines)
		}
		if slices.Contains(noNames, path.Base(f.folder())) {
			t.Errorf("%s: a package named %s may hold anything; name it after what it provides", f.path, path.Base(f.folder()))
		}
		for _, problem := range problems(tree.set, f) {
			t.Error(problem)
		}
	}
}

// problems lists where a file goes beyond the limits.
func problems(set *token.FileSet, f file) []string {
	var found []string
	report := func(node ast.Node, text string) { found = append(found, set.Position(node.Pos()).String()+": "+text) }
	for _, group := range f.syntax.Comments {
		if leftover.MatchString(group.Text()) {
			report(group, "a comment announces work: do it, or file an issue")
		}
	}
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			inspectFunction(set, f, node, report)
		case *ast.InterfaceType:
			if !f.isTest() && node.Methods != nil && methods(node) > maxMethods {
				report(node, "an interface has more than 5 methods: the smaller, the easier to implement")
			}
		}
		return true
	})
	return found
}

func inspectFunction(set *token.FileSet, f file, function *ast.FuncDecl, report func(ast.Node, string)) {
	if function.Body == nil {
		return
	}
	name := function.Name.Name
	lines := set.Position(function.Body.Rbrace).Line - set.Position(function.Body.Lbrace).Line - 1
	if lines > maxFunctionLines {
		report(function, name+" has more than 60 lines: divide it into steps that have names")
	}
	if function.Type.Params.NumFields() > maxParameters {
		report(function, name+" has more than 5 parameters: some of them belong together")
	}
	if name == "init" && function.Recv == nil && !strings.HasPrefix(f.path, "api/") {
		report(function, "init runs whether it is wanted or not: call a function")
	}
}

func methods(node *ast.InterfaceType) int {
	n := 0
	for _, field := range node.Methods.List {
		n += len(field.Names)
	}
	return n
}
