package cmd

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the reference in docs/cli.md anew")

const (
	document = "../docs/cli.md"
	begin    = "<!-- The rest is written by `go test ./cmd -run TestReference -update`. -->\n"
)

// TestReference keeps the reference in docs/cli.md equal to what --help says.
func TestReference(t *testing.T) {
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	head, got, found := strings.Cut(string(data), begin)
	if !found {
		t.Fatalf("%s has no line %q", document, begin)
	}
	root := NewRootCommand()
	root.InitDefaultCompletionCmd()
	var want strings.Builder
	reference(&want, root)
	if *update {
		if err := os.WriteFile(document, []byte(head+begin+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("when a command changes, its reference does; run with -update:\n%s", diff)
	}
}

func reference(w *strings.Builder, command *cobra.Command) {
	for _, sub := range command.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Parent().Name() == "completion" {
			continue
		}
		fmt.Fprintf(w, "\n### %s\n\n", sub.CommandPath())
		text := sub.Long
		if text == "" || sub.Name() == "completion" {
			text = sub.Short + "."
		}
		fmt.Fprintf(w, "%s\n\n    %s\n", strings.TrimSpace(text), sub.UseLine())
		if len(sub.Aliases) > 0 {
			fmt.Fprintf(w, "\nAlso: %s\n", strings.Join(sub.Aliases, ", "))
		}
		if sub.Example != "" {
			fmt.Fprintf(w, "\n%s\n", indent(sub.Example))
		}
		if flags := sub.NonInheritedFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(w, "\n%s", indent(flags.FlagUsages()))
		}
		reference(w, sub)
	}
}

// indent makes a block of code of it.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
