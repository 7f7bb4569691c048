package release

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// repository is this very source tree: what is in it must fit the catalogue.
func repository() string { return "../.." }

func TestCatalogueFitsTheSourceTree(t *testing.T) {
	tree := os.DirFS(repository())
	minors, err := Minors(tree)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(minors, DefaultMinor) {
		t.Fatalf("the default, %s, is not among %v", DefaultMinor, minors)
	}
	for _, minor := range minors {
		for _, component := range Catalogue(minor) {
			version, err := component.Version(tree)
			if err != nil {
				t.Errorf("%s: %v", minor, err)
			}
			if component.Name == "kubernetes" && !strings.HasPrefix(version, "v"+minor+".") {
				t.Errorf("folder of %s pins %s", minor, version)
			}
		}
	}
}

func TestResolveMinor(t *testing.T) {
	module := func(version string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("module m\n\nrequire k8s.io/kubernetes " + version + "\n")}
	}
	tree := fstest.MapFS{
		"components/kubernetes-1.9/go.mod":  module("v1.9.1"),
		"components/kubernetes-1.36/go.mod": module("v1.36.4"),
		"components/kubernetes-1.37/go.mod": module("v1.37.1"),
	}
	for reason, c := range map[string]struct {
		asked, want string
	}{
		"when nothing is asked for, it is the default":           {"", "1.37"},
		"when a minor is asked for, it is that":                  {"1.36", "1.36"},
		"when it is written with a v, it is the same":            {"v1.36", "1.36"},
		"when the pinned patch is asked for, it is its minor":    {"1.37.1", "1.37"},
		"when the pinned patch has a v, it is its minor":         {"v1.37.1", "1.37"},
		"when another patch is asked for, it is refused":         {"1.37.2", ""},
		"when a prefix of a minor is asked for, it is refused":   {"1.3", ""},
		"when an unknown minor is asked for, it is refused":      {"1.38", ""},
		"when something else is asked for, it is refused":        {"latest", ""},
		"when a folder's path is asked for, it is refused":       {"1.37/../1.36", ""},
		"when there is more than a version in it, it is refused": {"1.37.1.1", ""},
	} {
		t.Run(reason, func(t *testing.T) {
			got, err := ResolveMinor(tree, c.asked)
			if got != c.want {
				t.Errorf("got %q, want %q (err = %v)", got, c.want, err)
			}
			var unknown *UnknownMinorError
			if refused := errors.As(err, &unknown); refused != (c.want == "") {
				t.Fatalf("err = %v", err)
			}
			if unknown != nil && cmp.Diff([]string{"1.37", "1.36", "1.9"}, unknown.Known) != "" {
				t.Errorf("known = %v", unknown.Known)
			}
		})
	}
}

func TestGoFlags(t *testing.T) {
	component := Component{
		Tags: []string{"a", "b"},
		Stamp: map[string]string{
			"x.version": "{version}", "x.number": "{number}", "x.major": "{major}", "x.minor": "{minor}",
		},
	}
	want := []string{
		"-mod=readonly", "-trimpath", "-buildvcs=false", "-tags=a,b",
		"-ldflags=-s -w -X x.major=1 -X x.minor=37 -X x.number=1.37.1 -X x.version=v1.37.1",
	}
	if diff := cmp.Diff(want, component.goFlags("v1.37.1")); diff != "" {
		t.Errorf("when variables are stamped, they come in one order (-want +got):\n%s", diff)
	}
}

func TestComponentKey(t *testing.T) {
	component := Component{Name: "etcd", Dir: "etcd", Programs: []Program{{"etcd", "p"}}}
	base := func() fstest.MapFS {
		return fstest.MapFS{
			"components/etcd/go.mod":       {Data: []byte("m")},
			"components/etcd/go.sum":       {Data: []byte("s")},
			"components/etcd/etcd/main.go": {Data: []byte("package main")},
			"components/etcd/README.md":    {Data: []byte("r")},
			"components/other/go.mod":      {Data: []byte("o")},
		}
	}
	of := func(tree fstest.MapFS, component Component, version, goVersion string) string {
		t.Helper()
		k, err := componentKey(tree, component, version, goVersion)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := of(base(), component, "v1", "go1.26")
	edit := func(name, text string) fstest.MapFS {
		tree := base()
		tree[name] = &fstest.MapFile{Data: []byte(text)}
		return tree
	}
	with := func(change func(*Component)) Component {
		changed := component
		change(&changed)
		return changed
	}
	for reason, c := range map[string]struct {
		key     string
		changes bool
	}{
		"when nothing changes, it is the same":               {of(base(), component, "v1", "go1.26"), false},
		"when a text file changes, it is the same":           {of(edit("components/etcd/README.md", "x"), component, "v1", "go1.26"), false},
		"when another component changes, it is the same":     {of(edit("components/other/go.mod", "x"), component, "v1", "go1.26"), false},
		"when go.mod changes, it changes":                    {of(edit("components/etcd/go.mod", "x"), component, "v1", "go1.26"), true},
		"when go.sum changes, it changes":                    {of(edit("components/etcd/go.sum", "x"), component, "v1", "go1.26"), true},
		"when a patch is added, it changes":                  {of(edit("components/etcd/a.patch", "x"), component, "v1", "go1.26"), true},
		"when a Go file changes, it changes":                 {of(edit("components/etcd/etcd/main.go", "x"), component, "v1", "go1.26"), true},
		"when the version changes, it changes":               {of(base(), component, "v2", "go1.26"), true},
		"when Go changes, it changes":                        {of(base(), component, "v1", "go1.27"), true},
		"when a tag is added, it changes":                    {of(base(), with(func(c *Component) { c.Tags = []string{"t"} }), "v1", "go1.26"), true},
		"when cgo is turned on, it changes":                  {of(base(), with(func(c *Component) { c.Cgo = true }), "v1", "go1.26"), true},
		"when a program is built of another, it changes":     {of(base(), with(func(c *Component) { c.Programs = []Program{{"etcd", "q"}} }), "v1", "go1.26"), true},
		"when a name and a package trade places, it differs": {of(base(), with(func(c *Component) { c.Programs = []Program{{"p", "etcd"}} }), "v1", "go1.26"), true},
	} {
		if changed := c.key != same; changed != c.changes {
			t.Errorf("%s: changed = %v", reason, changed)
		}
	}
}

func TestGoName(t *testing.T) {
	for pkg, want := range map[string]string{
		"./kubernetes":                  "kubernetes",
		"go.etcd.io/etcd/server/v3":     "server",
		"example.com/proxy/cmd/agent":   "agent",
		"example.com/module/v2/cmd/ctr": "ctr",
	} {
		if got := (Program{Package: pkg}).goName(); got != want {
			t.Errorf("when the package is %s, it is called %s, want %s", pkg, got, want)
		}
	}
}
