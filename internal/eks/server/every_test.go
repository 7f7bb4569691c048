package server

import (
	"encoding/json"
	"strings"
	"testing"

	"naru.dev/naru/internal/eks/handlers"
)

// TestEveryOperation sends each of the 70 operations with nothing but what stands in its path, about things that are there and
// about things that are not: whatever is missing then, the answer is a result or an error of the client's.
func TestEveryOperation(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	if _, err := client.CreateNodegroup(t.Context(), group("prod", "web")); err != nil {
		t.Fatal(err)
	}
	there := map[string]string{"clusterName": "prod", "name": "prod", "nodegroupName": "web", "principalArn": "arn:aws:iam::111122223333:user/alice",
		"resourceArn": "arn:aws:eks:naru-kr-1:111122223333:cluster/prod", "addonName": "coredns"}
	for _, operation := range s.options.Model.Operations() {
		if strings.HasPrefix(operation.Name, "Delete") {
			continue // what the others are about stays there; deletions are looked at below
		}
		s.every(t, operation.Name, "prod", there)
	}
	for _, operation := range s.options.Model.Operations() {
		s.every(t, operation.Name, "none", nil)
	}
}

// every sends an operation whose labels are those that are known, or else a name.
func (s *site) every(t *testing.T, name, otherwise string, known map[string]string) {
	t.Helper()
	operation, _ := s.options.Model.Operation(name)
	members := map[string]string{}
	for label := range operation.Labels(must(t, func() (any, error) { return operation.DecodeMembers([]byte("{}")) })) {
		members[label] = otherwise
		if value, ok := known[label]; ok {
			members[label] = value
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	request, err := operation.EncodeInput(must(t, func() (any, error) { return operation.DecodeMembers(text) }))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{string(request.Body), ""} {
		response, answer := s.send(t, raw{operation.Method, request.Path, alice, "eks", body})
		code := response.Header.Get("x-amzn-ErrorType")
		support, _ := s.options.EKS.Supported(name)
		switch {
		case response.StatusCode >= 500:
			t.Errorf("%s about %q: %d, %v", name, otherwise, response.StatusCode, answer)
		case response.StatusCode != 200 && (code == "" || answer["message"] == ""):
			t.Errorf("%s about %q is refused without a reason: %d, %v", name, otherwise, response.StatusCode, answer)
		case response.StatusCode == 200 && support == handlers.Refused:
			t.Errorf("%s is said to be refused, and answers %v", name, answer)
		}
	}
}

func must(t *testing.T, get func() (any, error)) any {
	t.Helper()
	value, err := get()
	if err != nil {
		t.Fatal(err)
	}
	return value
}
