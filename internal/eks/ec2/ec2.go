// Package ec2 answers the few questions that EKS's users ask EC2: where clusters and machines can be, and how
// large. Nothing can be changed by it.
//
// The protocol is EC2's query protocol:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/making-api-requests.html
package ec2

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
)

const namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Options are what a handler works with.
type Options struct {
	Site       convert.Site
	Backend    *backend.Backend
	Authorizer iam.Authorizer
	Log        *slog.Logger
}

// Handler serves the actions that it has; the caller is in the request's context.
type Handler struct{ Options }

// New returns a handler.
func New(options Options) *Handler { return &Handler{options} }

// failure is an error as EC2 names it.
type failure struct {
	status  int
	code    string
	message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func invalid(code, format string, args ...any) error {
	return &failure{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// actions by name.
func (h *Handler) actions() map[string]func(context.Context, question) (answer, error) {
	return map[string]func(context.Context, question) (answer, error){
		"DescribeRegions":           h.regions,
		"DescribeAvailabilityZones": h.zones,
		"DescribeVpcs":              h.vpcs,
		"DescribeSubnets":           h.subnets,
		"DescribeSecurityGroups":    h.securityGroups,
		"DescribeInstanceTypes":     h.instanceTypes,
		"DescribeAccountAttributes": h.attributes,
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := w.Header().Get("x-amzn-RequestId")
	action, answer, err := h.serve(r)
	if err != nil {
		h.fail(w, requestID, err)
		return
	}
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := answer.write(xml.NewEncoder(&body), action, requestID); err != nil {
		h.fail(w, requestID, fmt.Errorf("writing the answer of %s: %w", action, err))
		return
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}

// answer is the one list of an answer, with the name of its element.
type answer struct {
	name string
	list any
}

func (a answer) write(to *xml.Encoder, action, requestID string) error {
	root := xml.StartElement{Name: xml.Name{Local: action + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}}
	return errors.Join(
		to.EncodeToken(root),
		to.EncodeElement(requestID, xml.StartElement{Name: xml.Name{Local: "requestId"}}),
		to.EncodeElement(a.list, xml.StartElement{Name: xml.Name{Local: a.name}}),
		to.EncodeToken(root.End()),
		to.Close(),
	)
}

func (h *Handler) serve(r *http.Request) (action string, told answer, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", answer{}, invalid("MalformedQueryString", "the body can't be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) == 0 {
		form = r.URL.Query()
	}
	action = form.Get("Action")
	do, ok := h.actions()[action]
	if !ok {
		return "", answer{}, invalid("InvalidAction", "The action %s is not valid for this web service: of EC2, Naru answers %s only",
			action, strings.Join(slices.Sorted(maps.Keys(h.actions())), ", "))
	}
	if err := h.authorize(r.Context(), "ec2:"+action); err != nil {
		return "", answer{}, err
	}
	q, err := ask(form)
	if err != nil {
		return "", answer{}, err
	}
	told, err = do(r.Context(), q)
	return action, told, err
}

func (h *Handler) authorize(ctx context.Context, action string) error {
	caller, _ := iam.CallerFrom(ctx)
	decision, err := h.Authorizer.Authorize(ctx, caller, iam.Request{Action: action, Resource: "*"})
	if err != nil {
		return err
	}
	if !decision.Allowed {
		return &failure{http.StatusForbidden, "UnauthorizedOperation", fmt.Sprintf("You are not authorized to perform this operation. User: %s is not authorized to perform: %s %s",
			caller.ARN, action, decision.Because(action))}
	}
	return nil
}

func (h *Handler) fail(w http.ResponseWriter, requestID string, err error) {
	var known *failure
	if !errors.As(err, &known) {
		h.Log.Error("call failed", "service", "ec2", "request", requestID, "error", err)
		known = &failure{http.StatusInternalServerError, "InternalError", "An internal error has occurred: try again"}
	}
	var body bytes.Buffer
	type item struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	answer := struct {
		XMLName   xml.Name `xml:"Response"`
		Errors    []item   `xml:"Errors>Error"`
		RequestID string   `xml:"RequestID"`
	}{Errors: []item{{known.code, known.message}}, RequestID: requestID}
	if err := xml.NewEncoder(&body).Encode(answer); err != nil {
		body.Reset() // strings can always be encoded
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(known.status)
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}

// question is what is asked of a list: things by id or name, and filters.
type question struct {
	form    url.Values
	filters map[string][]string
}

// ask reads filters, Filter.1.Name=vpc-id&Filter.1.Value.1=….
func ask(form url.Values) (question, error) {
	q := question{form, map[string][]string{}}
	for n := 1; form.Has("Filter." + strconv.Itoa(n) + ".Name"); n++ {
		name := "Filter." + strconv.Itoa(n)
		values := numbered(form, name+".Value.")
		if len(values) == 0 {
			return q, invalid("InvalidParameterValue", "The filter '%s' has no value", form.Get(name+".Name"))
		}
		q.filters[form.Get(name+".Name")] = values
	}
	return q, nil
}

// numbered are the values of name1, name2 …
func numbered(form url.Values, name string) []string {
	var values []string
	for n := 1; form.Has(name + strconv.Itoa(n)); n++ {
		values = append(values, form.Get(name+strconv.Itoa(n)))
	}
	return values
}

// thing is one of a list, with what filters can look at.
type thing[T any] struct {
	id     string
	facts  map[string]string
	answer T
}

// set is a list in an answer. It is there even where it is empty.
type set[T any] struct {
	Items []T `xml:"item"`
}

// choose answers a question on a list. parameter is what ids are asked by, missing the error for one that is not there.
func choose[T any](q question, all []thing[T], parameter, missing string) (set[T], error) {
	chosen := set[T]{}
	wanted := numbered(q.form, parameter+".")
	for _, id := range wanted {
		if !slices.ContainsFunc(all, func(t thing[T]) bool { return t.id == id }) {
			return chosen, invalid(missing, "The %s '%s' does not exist", parameter, id)
		}
	}
	for _, t := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, t.id) {
			continue
		}
		fits := true
		for name, values := range q.filters {
			fact, known := t.facts[name]
			if !known && !strings.HasPrefix(name, "tag") { // nothing here has tags
				return chosen, invalid("InvalidParameterValue", "The filter '%s' is invalid: Naru does not know it", name)
			}
			fits = fits && known && slices.Contains(values, fact)
		}
		if fits {
			chosen.Items = append(chosen.Items, t.answer)
		}
	}
	return chosen, nil
}
