package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFile(t *testing.T) {
	long := strings.Repeat("x", 70<<10) + "\n"
	cases := map[string]struct {
		content string
		tail    int64
		want    string
	}{
		"when all is wanted, all is copied":             {"a\nb\nc\n", -1, "a\nb\nc\n"},
		"when two lines are wanted, they are the last":  {"a\nb\nc\n", 2, "b\nc\n"},
		"when more is wanted than there is, all is":     {"a\nb\n", 9, "a\nb\n"},
		"when none is wanted, none is":                  {"a\nb\n", 0, ""},
		"when lines are longer than a block, it counts": {"a\n" + long + "c\n", 2, long + "c\n"},
		"when the file is empty, nothing is copied":     {"", 5, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := File(t.Context(), &out, path, Options{Tail: c.tail}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	t.Run("when the file is rotated, what is written to the old and the new one is copied", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		reader, writer := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- File(ctx, writer, path, Options{Follow: true, Tail: -1}) }()
		read := func(want string) {
			t.Helper()
			buffer := make([]byte, len(want))
			if _, err := io.ReadFull(reader, buffer); err != nil || string(buffer) != want {
				t.Fatalf("read %q, %v, want %q", buffer, err, want)
			}
		}
		fmt.Fprintln(file, "one")
		read("one\n")
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(file, "two")
		if err := os.WriteFile(path, []byte("three\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		read("two\nthree\n")
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
