package server

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/internal/eks/errcode"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

// scope are the parts of a credential, KEY/DATE/REGION/SERVICE/aws4_request. They are what the client
// claims: nothing is verified.
func scope(r *http.Request) []string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if header := r.Header.Get("Authorization"); header != "" {
		_, rest, _ := strings.Cut(header, "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
	}
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) != 5 {
		return nil
	}
	return parts
}

// service is whose request it is by what it is signed for; one that is not signed is EKS's, unless
// it is a form: that is how STS is asked.
func service(r *http.Request) string {
	if parts := scope(r); parts != nil {
		return parts[3]
	}
	if r.URL.Query().Has("Action") || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return "sts"
	}
	return "eks"
}

// form is a query-protocol request: in the body, or in the URL of a presigned one.
func (c *call) form() url.Values {
	values, err := url.ParseQuery(string(c.body))
	if err != nil || len(values) == 0 {
		return c.URL.Query()
	}
	return values
}

// anonymous tells whether a call needs no signature: AssumeRoleWithWebIdentity brings a token instead.
func (c *call) anonymous() bool {
	return c.service == "sts" && scope(c.Request) == nil && c.form().Get("Action") == "AssumeRoleWithWebIdentity"
}

// query hands a call to a service of the query protocol.
func (s *Server) query(w http.ResponseWriter, c *call) error {
	handler, ok := s.Query[c.service]
	if !ok {
		return &errcode.Error{Code: errcode.UnknownService, Message: fmt.Sprintf("Naru has no service %q here: it has %s", c.service, s.services())}
	}
	c.event.EventName = c.form().Get("Action")
	c.event.RequestParameters = harmless(c.form())
	recorder := s.handOver(w, c, handler)
	if recorder.status >= http.StatusBadRequest {
		c.event.ErrorCode = recorder.code()
	}
	s.record(c)
	return nil
}

// json hands a call to a service of the JSON protocol, which has its operation in a header:
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
func (s *Server) json(w http.ResponseWriter, c *call, handler http.Handler) {
	_, c.event.EventName, _ = strings.Cut(c.Header.Get("X-Amz-Target"), ".")
	if json.Valid(c.body) {
		c.event.RequestParameters = json.RawMessage(c.body)
	}
	recorder := s.handOver(w, c, handler)
	if recorder.status >= http.StatusBadRequest {
		c.event.ErrorCode = w.Header().Get("x-amzn-ErrorType")
	}
	s.record(c)
}

// handOver lets a service answer.
func (s *Server) handOver(w http.ResponseWriter, c *call, handler http.Handler) *recorder {
	c.event.ReadOnly = !writes(c.event.EventName)
	r := c.Request
	r.Body = io.NopCloser(bytes.NewReader(c.body))
	recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
	handler.ServeHTTP(recorder, r)
	c.event.RequestID = w.Header().Get("x-amzn-RequestId") // a service may have one of its own
	return recorder
}

// services names what this address has.
func (s *Server) services() string {
	names := append(slices.Collect(maps.Keys(s.Query)), slices.Collect(maps.Keys(s.JSON))...)
	slices.Sort(names)
	if s.EKS != nil {
		names = append([]string{"eks"}, names...)
	}
	return strings.Join(names, ", ")
}

func writes(action string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Simulate", "BatchGet"} {
		if strings.HasPrefix(action, prefix) {
			return false
		}
	}
	return true
}

// harmless are the parameters that name things. Passwords, tokens and secrets are others.
func harmless(form url.Values) json.RawMessage {
	parameters := map[string]string{}
	for name := range form {
		for _, suffix := range []string{"Name", "Arn", "Path", "Prefix", "Url", "AccessKeyId"} {
			if strings.HasSuffix(name, suffix) {
				parameters[strings.ToLower(name[:1])+name[1:]] = form.Get(name)
			}
		}
	}
	text, err := json.Marshal(parameters)
	if err != nil {
		return nil // strings can always be encoded
	}
	return text
}

// recorder remembers how a handler answered.
type recorder struct {
	http.ResponseWriter
	status int
	begin  []byte
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(content []byte) (int, error) {
	if room := 512 - len(r.begin); r.status >= http.StatusBadRequest && room > 0 {
		r.begin = append(r.begin, content[:min(room, len(content))]...)
	}
	return r.ResponseWriter.Write(content)
}

// code is what stands between <Code> and </Code>.
func (r *recorder) code() string {
	_, rest, _ := strings.Cut(string(r.begin), "<Code>")
	code, _, ok := strings.Cut(rest, "</Code>")
	if !ok {
		return http.StatusText(r.status)
	}
	return code
}

// queryAnswer is an error in the words and in the XML of the query protocol.
func queryAnswer(answer errcode.Answer, c *call, err error) errcode.Answer {
	var signature *sigv4.Error
	if errors.As(err, &signature) {
		answer.Code = signature.Code.Query()
	} else {
		answer.Code = strings.TrimSuffix(answer.Code, "Exception")
	}
	fault := "Sender"
	if answer.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	var body bytes.Buffer
	text := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
		return b.String()
	}
	if c.service == "ec2" {
		fmt.Fprintf(&body, "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
			text(answer.Code), text(answer.Message), c.event.RequestID)
	} else {
		fmt.Fprintf(&body, "<ErrorResponse><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
			fault, text(answer.Code), text(answer.Message), c.event.RequestID)
	}
	answer.Body = body.Bytes()
	return answer
}

func denied(caller iam.Caller, request iam.Request, decision iam.Decision) error {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", caller.ARN, request.Action, request.Resource, decision.Because(request.Action))
	return &types.AccessDeniedException{Message: &text}
}
