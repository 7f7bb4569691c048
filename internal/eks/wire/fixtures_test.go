package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixtures lists the SDK's golden files of one kind, by operation or error. They are read where Go keeps the module: they
// are not copied here.
func fixtures(t *testing.T, folder, suffix string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/eks").Output()
	if err != nil {
		t.Fatalf("finding the SDK's folder: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), folder, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range paths {
		found[strings.TrimSuffix(filepath.Base(path), suffix)] = path
	}
	return found
}

// message is a fixture: a first line, headers, and a body.
type message struct {
	first  string
	header textproto.MIMEHeader
	body   []byte
}

func readMessage(t *testing.T, path string) message {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw)))
	first, err := reader.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	if next, err := reader.R.Peek(1); err == nil && next[0] == '\n' {
		_, _ = reader.R.Discard(1) // requests have a blank line before the headers, too
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	body, err := io.ReadAll(reader.R)
	if err != nil {
		t.Fatal(err)
	}
	return message{first, header, body}
}

// sameJSON compares values, with numbers as they are written.
func sameJSON(t *testing.T, what string, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(parseJSON(t, want), parseJSON(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func parseJSON(t *testing.T, text []byte) any {
	t.Helper()
	if len(text) == 0 {
		return map[string]any{}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}
