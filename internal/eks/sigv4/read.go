package sigv4

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dayFormat  = "20060102"
	// maxSignedHeaders is more than any client signs.
	maxSignedHeaders = 64
)

// Signature is what a request says of its signature. Nothing in it is true before Verify returned nil.
type Signature struct {
	// AccessKeyID names the secret that it was made with.
	AccessKeyID string
	// Region and Service are the credential scope's. Services that share an address are told apart by it.
	Region, Service string
	// SessionToken comes with temporary credentials.
	SessionToken string
	// Presigned tells that the signature stands in the URL.
	Presigned bool
	// Time of signing.
	Time time.Time

	day           string
	signedHeaders []string
	mac           []byte
}

var accessKeyID = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)

func problem(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Read finds a request's signature, in its Authorization header or in its URL.
// Errors: *Error with MissingAuthenticationToken or IncompleteSignature.
func Read(r *http.Request) (*Signature, error) {
	query := rawQuery(r.URL.RawQuery)
	headers := r.Header.Values("Authorization")
	presigned := query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature")
	switch {
	case len(headers) == 0 && !presigned:
		return nil, problem(MissingAuthenticationToken, "Missing Authentication Token")
	case len(headers) > 1, len(headers) == 1 && presigned:
		return nil, problem(IncompleteSignature, "The request is signed more than once: sign it in one Authorization header, or in its URL")
	case presigned:
		return readQuery(query)
	}
	return readHeader(r, headers[0])
}

// readHeader reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
func readHeader(r *http.Request, text string) (*Signature, error) {
	name, rest, _ := strings.Cut(text, " ")
	if name != algorithm {
		return nil, problem(IncompleteSignature, "Unsupported AWS 'algorithm': requests are signed with %s", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[key]; !ok || twice {
			return nil, problem(IncompleteSignature, "Authorization header has a part without '=', or a part twice")
		}
		parts[key] = value
	}
	s := &Signature{SessionToken: r.Header.Get("X-Amz-Security-Token")}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		if t, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			date = t.UTC().Format(timeFormat)
		}
	}
	return s, s.fill(parts["Credential"], parts["SignedHeaders"], parts["Signature"], date)
}

func readQuery(query pairs) (*Signature, error) {
	values := map[string]string{}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Security-Token"} {
		all := query.all(name)
		if len(all) > 1 || (len(all) == 0 && name != "X-Amz-Security-Token") {
			return nil, problem(IncompleteSignature, "AWS query-string parameters must include %s once", name)
		}
		values[name] = strings.Join(all, "")
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return nil, problem(IncompleteSignature, "Unsupported AWS 'algorithm': requests are signed with %s", algorithm)
	}
	s := &Signature{Presigned: true, SessionToken: values["X-Amz-Security-Token"]}
	return s, s.fill(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"], values["X-Amz-Signature"], values["X-Amz-Date"])
}

// fill reads the parts that both forms have.
func (s *Signature) fill(credential, signedHeaders, signature, date string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != terminator || scope[2] == "" || scope[3] == "" {
		return problem(IncompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/%s", terminator)
	}
	s.AccessKeyID, s.day, s.Region, s.Service = scope[0], scope[1], scope[2], scope[3]
	if !accessKeyID.MatchString(s.AccessKeyID) {
		return problem(IncompleteSignature, "Credential does not begin with an access key id")
	}
	var err error
	if s.Time, err = time.Parse(timeFormat, date); err != nil {
		return problem(IncompleteSignature, "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if s.Time.Format(dayFormat) != s.day {
		return problem(InvalidSignature, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'", s.day, s.Time.Format(dayFormat))
	}
	if s.mac, err = hex.DecodeString(signature); err != nil || len(s.mac) != 32 {
		return problem(IncompleteSignature, "Signature must have 64 hexadecimal digits")
	}
	s.signedHeaders = strings.Split(signedHeaders, ";")
	return s.checkHeaders()
}

// checkHeaders wants the list in its one canonical form, with what must not be changed on the way in it.
func (s *Signature) checkHeaders() error {
	if len(s.signedHeaders) > maxSignedHeaders || !slices.IsSorted(s.signedHeaders) || len(slices.Compact(slices.Clone(s.signedHeaders))) != len(s.signedHeaders) {
		return problem(IncompleteSignature, "SignedHeaders must be at most %d names, each once and in order", maxSignedHeaders)
	}
	for _, name := range s.signedHeaders {
		if name == "" || name != strings.ToLower(name) {
			return problem(IncompleteSignature, "SignedHeaders must be names in lower case")
		}
	}
	if !s.Signs("host") {
		return problem(InvalidSignature, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// Signs tells whether a header, named in lower case, is one that the signature covers.
func (s *Signature) Signs(header string) bool { return slices.Contains(s.signedHeaders, header) }

// pairs is a query in the order that it came in, decoded. ok is false in what can't be decoded.
type pairs []pair

type pair struct {
	key, value string
	ok         bool
}

func rawQuery(text string) pairs {
	var list pairs
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		decodedKey, keyError := url.QueryUnescape(key)
		decodedValue, valueError := url.QueryUnescape(value)
		list = append(list, pair{decodedKey, decodedValue, keyError == nil && valueError == nil})
	}
	return list
}

func (p pairs) has(key string) bool { return len(p.all(key)) > 0 }

func (p pairs) all(key string) []string {
	var values []string
	for _, pair := range p {
		if pair.key == key {
			values = append(values, pair.value)
		}
	}
	return values
}
