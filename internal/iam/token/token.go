package token

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"naru.dev/naru/internal/eks/sigv4"
)

const (
	// Prefix of every token.
	Prefix = "k8s-aws-v1."
	// Life is how long a client should use a token for: a minute less than it is accepted.
	Life = sigv4.PresignedLife - time.Minute

	maxLength     = 4096
	clusterHeader = "x-k8s-aws-id"
	maxExpires    = 900
	action        = "GetCallerIdentity"
)

// allowedKeys are the query's keys, in lower case. Others could change what the request does.
var allowedKeys = map[string]bool{
	"action": true, "version": true, "x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-expires": true,
	"x-amz-security-token": true, "x-amz-signature": true, "x-amz-signedheaders": true,
}

// stsHost matches AWS's own hosts of STS, which clients sign for that know of no other.
var stsHost = regexp.MustCompile(`^sts(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?$|^sts(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)$`)

// Create makes a token for a cluster.
func Create(cluster string, key sigv4.Key, region string, now time.Time) (string, error) {
	address := "https://sts." + region + ".amazonaws.com/?Action=" + action + "&Version=2011-06-15&X-Amz-Expires=60"
	r, err := http.NewRequest(http.MethodGet, address, nil) //nolint:noctx // it is signed, never sent
	if err != nil {
		return "", fmt.Errorf("making a token for region %q: %w", region, err)
	}
	r.Header.Set(clusterHeader, cluster)
	signed, err := sigv4.Presign(r, key, sigv4.Scope{Region: region, Service: "sts"}, now)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return Prefix + base64.RawURLEncoding.EncodeToString([]byte(signed)), nil
}

// InvalidError says why a text is no token that could be good. It holds nothing of the token.
type InvalidError struct{ Message string }

func (e *InvalidError) Error() string { return "the token is not valid: " + e.Message }

func invalid(format string, args ...any) error {
	return &InvalidError{Message: fmt.Sprintf(format, args...)}
}

// read takes a token apart. ownHosts are Naru's own names, with ports where they are not 443; for those any path will do.
// The checks are those of aws-iam-authenticator's pkg/token. Errors: *InvalidError.
func read(token, cluster string, ownHosts []string) (*http.Request, *sigv4.Signature, error) {
	if len(token) > maxLength {
		return nil, nil, invalid("it has more than %d bytes", maxLength)
	}
	encoded, ok := strings.CutPrefix(token, Prefix)
	if !ok {
		return nil, nil, invalid("it does not begin with %s", Prefix)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return nil, nil, invalid("it is not base64")
	}
	address, err := url.Parse(string(text))
	if err != nil {
		return nil, nil, invalid("it holds no URL")
	}
	if err := checkAddress(address, ownHosts); err != nil {
		return nil, nil, err
	}
	if err := checkQuery(address); err != nil {
		return nil, nil, err
	}
	r := &http.Request{Method: http.MethodGet, URL: address, Host: address.Host, Header: http.Header{}}
	r.Header.Set(clusterHeader, cluster)
	signature, err := sigv4.Read(r)
	switch {
	case err != nil:
		return nil, nil, invalid("%v", err)
	case signature.Service != "sts":
		return nil, nil, invalid("it is signed for %q, not for sts", signature.Service)
	case !signature.Signs(clusterHeader):
		return nil, nil, invalid("it does not say which cluster it is for")
	}
	return r, signature, nil
}

func checkAddress(address *url.URL, ownHosts []string) error {
	host := address.Hostname()
	loopback := host == "127.0.0.1" || host == "localhost" || host == "::1"
	own := loopback
	for _, name := range ownHosts {
		own = own || strings.EqualFold(address.Host, name)
	}
	switch {
	case address.Scheme != "https" && !(loopback && address.Scheme == "http"):
		return invalid("its scheme is not https")
	case address.User != nil, address.Fragment != "", address.Opaque != "":
		return invalid("its URL has parts that a token has not")
	case !own && !stsHost.MatchString(strings.ToLower(address.Host)):
		return invalid("its host is not one of STS")
	case !own && address.Path != "/" && address.Path != "":
		return invalid("its path is not /")
	}
	return nil
}

func checkQuery(address *url.URL) error {
	keys, values, ok := sigv4.QueryOf(address)
	if !ok {
		return invalid("its query can't be decoded")
	}
	query := map[string]string{}
	for i, key := range keys {
		key = strings.ToLower(key)
		if _, twice := query[key]; twice || !allowedKeys[key] {
			return invalid("its query has a key twice, or one that a token has not")
		}
		query[key] = values[i]
	}
	if query["action"] != action {
		return invalid("its action is not %s", action)
	}
	if expires, err := strconv.Atoi(query["x-amz-expires"]); err != nil || expires < 0 || expires > maxExpires {
		return invalid("its X-Amz-Expires is not between 0 and %d", maxExpires)
	}
	return nil
}
