package handlers

import (
	"fmt"
	"strings"
	"testing"

	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/test/golden"
)

// TestReference writes docs/eks-api.md (with -update) from the table that requests are answered by, so
// that it can't say anything else.
func TestReference(t *testing.T) {
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[Support]int{}
	var rows strings.Builder
	for _, operation := range model.Operations() {
		support, note := h.Supported(operation.Name)
		if (note == "") != (support == Real) {
			t.Errorf("%s is %s, and says %q of it", operation.Name, support, note)
		}
		counts[support]++
		fmt.Fprintf(&rows, "| %s | `%s %s` | %s | %s |\n", operation.Name, operation.Method, operation.Path, support, note)
	}
	text := fmt.Sprintf(preface, len(model.Operations()), counts[Real], counts[Reduced], counts[Refused]) + rows.String()
	golden.Compare(t, "../../../../docs/eks-api.md", []byte(text))
}

// TestRefused calls what is refused: each answers one of the model's errors, in the words of the table.
func TestRefused(t *testing.T) {
	model, err := wire.NewModel()
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range model.Operations() {
		support, note := h.Supported(operation.Name)
		if support != Refused {
			continue
		}
		_, err := h.Do(t.Context(), operation.Name, nil)
		code, _, _, ok := model.Exception(err)
		if !ok || !strings.Contains(err.Error(), note) || note == "" {
			t.Errorf("%s answers %q, %v", operation.Name, code, err)
		}
	}
}

const preface = `# The EKS API of naru server

<!-- Written by "go test ./internal/eks/handlers -run TestReference -update". -->

Of EKS's %d operations %d do all that they do on AWS, as far as Naru has the thing that they are about (real); %d do less, as the
last column says (reduced); %d answer a modelled error that names what is missing (refused).

All of them: are signed with Signature Version 4 and allowed by IAM policies; refuse members, parameters and values that the API's
model does not have, by name; answer times as seconds since 1970, lists sorted and in pages of at most 100, errors with
` + "`x-amzn-ErrorType` and `__type`" + `; take an idempotency token where AWS's do.

| operation | request | support | how it is reduced, or why it is refused |
|---|---|---|---|
`
