package wire

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/google/go-cmp/cmp"
)

func model(t testing.TB) *Model {
	t.Helper()
	m, err := NewModel()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func names(m *Model) []string {
	var list []string
	for _, operation := range m.Operations() {
		list = append(list, operation.Name)
	}
	return list
}

func TestRequests(t *testing.T) {
	m := model(t)
	requests := fixtures(t, "request_snapshot", ".request.snap")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(requests)), names(m)); diff != "" || len(requests) != 70 {
		t.Fatalf("%d fixtures; operations (-fixtures +here):\n%s", len(requests), diff)
	}
	for name, path := range requests {
		t.Run("when the SDK sends "+name+", it is understood as the SDK meant it", func(t *testing.T) {
			fixture := readMessage(t, path)
			method, address, _ := strings.Cut(fixture.first, " ")
			target, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			operation, err := m.Match(method, target.EscapedPath())
			if err != nil {
				t.Fatal(err)
			}
			if operation.Name != name {
				t.Fatalf("it is taken for %s", operation.Name)
			}
			input, err := operation.Decode(Request{target.EscapedPath(), target.Query(), fixture.body})
			if err != nil {
				t.Fatal(err)
			}
			here, err := operation.EncodeInput(input)
			if err != nil {
				t.Fatal(err)
			}
			for who, sent := range map[string]Request{"naru": here, "the SDK": sentBySDK(t, name, input)} {
				if got := sent.Path; got != target.EscapedPath() {
					t.Errorf("%s writes the path %s, want %s", who, got, target.EscapedPath())
				}
				if diff := cmp.Diff(target.Query(), sent.Query); diff != "" {
					t.Errorf("%s writes another query (-want +got):\n%s", who, diff)
				}
				sameJSON(t, who+" writes another body", fixture.body, sent.Body)
			}
			again, err := operation.DecodeMembers(operation.EncodeMembers(input))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(input, again) {
				t.Error("as one JSON object it is another input")
			}
		})
	}
}

// capture answers nothing and keeps what was sent.
type capture struct{ sent Request }

func (c *capture) Do(r *http.Request) (*http.Response, error) {
	c.sent = Request{Path: r.URL.EscapedPath(), Query: r.URL.Query()}
	if r.Body != nil {
		c.sent.Body, _ = io.ReadAll(r.Body)
	}
	return nil, fmt.Errorf("captured")
}

// sentBySDK is what the SDK makes of an input: the other opinion on what it means.
func sentBySDK(t *testing.T, name string, input any) Request {
	t.Helper()
	c := &capture{}
	client := eks.New(eks.Options{Region: "us-east-1", HTTPClient: c, Retryer: aws.NopRetryer{}, BaseEndpoint: aws.String("https://127.0.0.1"),
		Credentials: aws.CredentialsProviderFunc(nobody)})
	method := reflect.ValueOf(client).MethodByName(name)
	method.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(input)})
	if c.sent.Path == "" {
		t.Fatal("the SDK sent nothing")
	}
	return c.sent
}

func TestResponses(t *testing.T) {
	m := model(t)
	responses := fixtures(t, "response_snapshot", ".response.snap")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(responses)), names(m)); diff != "" {
		t.Fatalf("operations (-fixtures +here):\n%s", diff)
	}
	for name, path := range responses {
		t.Run("when "+name+" is answered, nothing of the answer is lost", func(t *testing.T) {
			fixture := readMessage(t, path)
			operation, _ := m.Operation(name)
			if status := fmt.Sprint(operation.Status); status != fixture.first {
				t.Errorf("status %s, want %s", status, fixture.first)
			}
			output := reflect.New(outputs()[name]).Interface()
			if err := operation.DecodeOutput(fixture.body, output); err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "another answer", fixture.body, operation.Encode(output))
		})
	}
}

func outputs() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, d := range definitions {
		types[d.operation.ID().Name] = d.out
	}
	return types
}

func TestExceptions(t *testing.T) {
	m := model(t)
	errors := fixtures(t, "response_snapshot", ".error.snap")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(errors)), slices.Sorted(maps.Keys(m.Exceptions()))); diff != "" || len(errors) != 15 {
		t.Fatalf("%d fixtures; errors (-fixtures +here):\n%s", len(errors), diff)
	}
	for name, path := range errors {
		t.Run("when "+name+" is answered, it is as the SDK reads it", func(t *testing.T) {
			fixture := readMessage(t, path)
			exception, ok := eks.TypeRegistry.Entries["com.amazonaws.eks#"+name].New().(error)
			if !ok {
				t.Fatal("the SDK's type is no error")
			}
			if err := m.DecodeException(fixture.body, exception); err != nil {
				t.Fatal(err)
			}
			code, status, body, ok := m.Exception(exception)
			if !ok || code != name || fmt.Sprint(status) != fixture.first {
				t.Errorf("%t, code %s, status %d, want %s", ok, code, status, fixture.first)
			}
			sameJSON(t, "another body", fixture.body, body)
		})
	}
}
