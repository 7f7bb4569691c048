package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxPage is how many results an answer has at most, and where none is asked for.
const maxPage = 100

// hashed is how many bytes of a token say which list it belongs to.
const hashed = 9

// pages are how a list is asked for: everything but the token and the size of the page decides which list it is.
type pages struct {
	list  []string
	size  *int32
	token *string
}

// page returns the part of items, sorted by key, that was asked for, and the token of the next part. A token says after which
// key to go on, so a list that changes meanwhile loses nothing; that of another list is refused.
func page[T any](s subject, p pages, items []T, key func(T) string) (part []T, next *string, err error) {
	size := maxPage
	if p.size != nil {
		size = int(*p.size)
	}
	if size < 1 || size > maxPage {
		return nil, nil, s.invalid("maxResults: %d does not lie between 1 and %d", size, maxPage)
	}
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if aws.ToString(p.token) != "" {
		after, ok := p.read(*p.token)
		if !ok {
			return nil, nil, s.invalid("nextToken is none that this list gave out")
		}
		items = slices.DeleteFunc(items, func(item T) bool { return key(item) <= after })
	}
	if len(items) <= size {
		return items, nil, nil
	}
	part = items[:size]
	return part, aws.String(p.write(key(part[size-1]))), nil
}

func (p pages) hash() string {
	sum := sha256.Sum256([]byte(strings.Join(p.list, "\x00")))
	return string(sum[:hashed])
}

func (p pages) write(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.hash() + after))
}

func (p pages) read(token string) (after string, ok bool) {
	content, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(content), p.hash())
}

func itself(s string) string { return s }
