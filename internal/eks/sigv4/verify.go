package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How far a signature's time may be off, as AWS has it.
const (
	// Skew is how far a client's clock may be off.
	Skew = 5 * time.Minute
	// PresignedLife is how long a presigned URL is good, whatever its X-Amz-Expires says.
	PresignedLife = 15 * time.Minute
)

// Verify tells whether the request was signed with the secret, at about this time. The body was read already.
// The comparison takes the same time for every signature. Errors: *Error with InvalidSignature.
func (s *Signature) Verify(r *http.Request, body []byte, secret string, now time.Time) error {
	if err := s.checkTime(now); err != nil {
		return err
	}
	if err := s.covers(r); err != nil {
		return err
	}
	payload := hexHash(body)
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != payload && !s.Presigned {
		return problem(InvalidSignature, "The value of the header x-amz-content-sha256 is not the hash of the body")
	}
	wanted, err := s.compute(r, payload, secret)
	if err != nil {
		return err
	}
	if !hmac.Equal(s.mac, wanted) {
		return problem(InvalidSignature, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// compute is the signature that the request should have.
func (s *Signature) compute(r *http.Request, payload, secret string) ([]byte, error) {
	canonical, err := s.canonical(r, payload)
	if err != nil {
		return nil, err
	}
	scope := strings.Join([]string{s.day, s.Region, s.Service, terminator}, "/")
	text := strings.Join([]string{algorithm, s.Time.Format(timeFormat), scope, hexHash([]byte(canonical))}, "\n")
	return mac(s.key(secret), text), nil
}

// checkTime uses AWS's words: clients look for them, and correct their clock by the answer's Date.
func (s *Signature) checkTime(now time.Time) error {
	life := Skew
	if s.Presigned {
		life = PresignedLife
	}
	now = now.UTC()
	switch {
	case s.Time.Before(now.Add(-life)):
		return problem(InvalidSignature, "Signature expired: %s is now earlier than %s (%s - %.0f min.)",
			s.Time.Format(timeFormat), now.Add(-life).Format(timeFormat), now.Format(timeFormat), life.Minutes())
	case s.Time.After(now.Add(Skew)):
		return problem(InvalidSignature, "Signature not yet current: %s is still later than %s (%s + %.0f min.)",
			s.Time.Format(timeFormat), now.Add(Skew).Format(timeFormat), now.Format(timeFormat), Skew.Minutes())
	}
	return nil
}

// covers wants those headers signed that a request is understood by.
func (s *Signature) covers(r *http.Request) error {
	for _, name := range []string{"x-amz-date", "x-amz-target"} {
		if r.Header.Get(name) != "" && !s.Signs(name) && !s.Presigned {
			return problem(InvalidSignature, "There were headers present in the request which were not signed: %s", name)
		}
	}
	return nil
}

// canonical is the request in the one form that both sides hash.
func (s *Signature) canonical(r *http.Request, payload string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery, s.Presigned)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL.EscapedPath()) + "\n" + query + "\n")
	for _, name := range s.signedHeaders {
		value, ok := headerValue(r, name)
		if !ok {
			return "", problem(InvalidSignature, "The header %s is signed, but is not in the request", strconv.Quote(name))
		}
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(s.signedHeaders, ";") + "\n" + payload)
	return b.String(), nil
}

// canonicalPath is the path as it is on the wire, escaped once more: so it is for every service but S3.
func canonicalPath(escaped string) string {
	if escaped == "" {
		return "/"
	}
	return escape(escaped, "/")
}

// canonicalQuery is the query in order, without the signature itself.
func canonicalQuery(raw string, presigned bool) (string, error) {
	var list []pair
	for _, p := range rawQuery(raw) {
		if !p.ok {
			return "", problem(InvalidSignature, "The query string can't be decoded")
		}
		if presigned && p.key == "X-Amz-Signature" {
			continue
		}
		list = append(list, pair{key: escape(p.key, ""), value: escape(p.value, "")})
	}
	slices.SortFunc(list, func(a, b pair) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value)) })
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String(), nil
}

// headerValue joins a header's values, with runs of spaces made one. Go's server keeps two headers elsewhere.
func headerValue(r *http.Request, name string) (string, bool) {
	values := r.Header.Values(name)
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	trimmed := make([]string, 0, len(values))
	for _, value := range values {
		trimmed = append(trimmed, strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(trimmed, ","), len(values) > 0
}

// escape percent-encodes all bytes but RFC 3986's unreserved ones and those that are to be left.
func escape(text, leave string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text))
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~"+leave, c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// key is the secret, bound to a day, region and service.
func (s *Signature) key(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.day, s.Region, s.Service, terminator} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
