package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Key is what a client signs with. SessionToken comes with temporary credentials only.
type Key struct{ AccessKeyID, Secret, SessionToken string }

// Scope is what a signature is good for.
type Scope struct{ Region, Service string }

// Presign returns the request's URL with a signature in it, that covers the host and all headers of the request.
func Presign(r *http.Request, key Key, scope Scope, now time.Time) (string, error) {
	s := newSignature(r, scope, now)
	s.Presigned = true
	query := r.URL.Query()
	query.Set("X-Amz-Algorithm", algorithm)
	query.Set("X-Amz-Credential", strings.Join([]string{key.AccessKeyID, s.day, scope.Region, scope.Service, terminator}, "/"))
	query.Set("X-Amz-Date", s.Time.Format(timeFormat))
	query.Set("X-Amz-SignedHeaders", strings.Join(s.signedHeaders, ";"))
	if key.SessionToken != "" {
		query.Set("X-Amz-Security-Token", key.SessionToken)
	}
	signed := r.Clone(r.Context())
	// Go writes a space as +, which AWS's clients never do.
	signed.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	mac, err := s.compute(signed, hexHash(nil), key.Secret)
	if err != nil {
		return "", err
	}
	return signed.URL.String() + "&X-Amz-Signature=" + hex.EncodeToString(mac), nil
}

// Sign adds the headers that make a signed request, which covers all headers that are there already.
func Sign(r *http.Request, body []byte, key Key, scope Scope, now time.Time) error {
	r.Header.Set("X-Amz-Date", now.UTC().Format(timeFormat))
	if key.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", key.SessionToken)
	}
	s := newSignature(r, scope, now)
	mac, err := s.compute(r, hexHash(body), key.Secret)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", algorithm+" Credential="+strings.Join([]string{key.AccessKeyID, s.day, scope.Region, scope.Service, terminator}, "/")+
		", SignedHeaders="+strings.Join(s.signedHeaders, ";")+", Signature="+hex.EncodeToString(mac))
	return nil
}

func newSignature(r *http.Request, scope Scope, now time.Time) *Signature {
	now = now.UTC().Truncate(time.Second)
	s := &Signature{Region: scope.Region, Service: scope.Service, Time: now, day: now.Format(dayFormat), signedHeaders: []string{"host"}}
	for name := range r.Header {
		s.signedHeaders = append(s.signedHeaders, strings.ToLower(name))
	}
	slices.Sort(s.signedHeaders)
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	return s
}

// QueryOf reads a URL's query in the order that it came in, decoded; ok is false where it can't be.
func QueryOf(u *url.URL) (keys, values []string, ok bool) {
	for _, p := range rawQuery(u.RawQuery) {
		if !p.ok {
			return nil, nil, false
		}
		keys, values = append(keys, p.key), append(values, p.value)
	}
	return keys, values, true
}
