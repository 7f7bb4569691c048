package podidentity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"naru.dev/naru/internal/podroles"
)

// maxToken is more than a service account token has.
const maxToken = 16 << 10

// errToken says that something is no token that could be good. What is, others decide.
var errToken = errors.New("the Authorization header has to be a service account token for " + podroles.Audience) //nolint:gochecknoglobals // sentinel

// audiences is a claim that may be one text or several.
type audiences []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// expiry looks at a token without verifying it: what is no token, is for somebody else or is over is not worth a question.
func expiry(token string, now time.Time) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return time.Time{}, errToken
	}
	var claims struct {
		Audience audiences `json:"aud"`
		Expires  float64   `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return time.Time{}, errToken
	}
	ends := time.Unix(int64(claims.Expires), 0)
	for _, audience := range claims.Audience {
		if audience == podroles.Audience && now.Before(ends) {
			return ends, nil
		}
	}
	return time.Time{}, errToken
}
