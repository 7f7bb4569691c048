// Package paging cuts lists into the parts that AWS's list operations answer with. It is pure.
package paging

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hashed is how many bytes of a token say which list it belongs to.
const hashed = 9

// Asked is how a list is asked for.
type Asked struct {
	// List is everything that decides which list it is: the operation, and what it filters by.
	List []string
	// Size is how many results an answer has at most: 1 to Most, and Default where it is nil.
	Size          *int32
	Default, Most int
	// Token is what the part before came with; empty: there is none.
	Token string
}

// Cut returns the part of items, sorted by key, that was asked for, and the token of the next part, empty after the last. A
// token says after which key to go on, so that a list that changes meanwhile loses nothing. items is left as it is. Errors, for
// users to read: a size out of bounds, a token of another list or of nobody.
func Cut[T any](asked Asked, items []T, key func(T) string) (part []T, next string, err error) {
	size := asked.Default
	if asked.Size != nil {
		size = int(*asked.Size)
	}
	if size < 1 || size > asked.Most {
		return nil, "", fmt.Errorf("maxResults: %d does not lie between 1 and %d", size, asked.Most)
	}
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if asked.Token != "" {
		after, ok := asked.read()
		if !ok {
			return nil, "", errors.New("nextToken is none that this list gave out")
		}
		items = slices.DeleteFunc(items, func(item T) bool { return key(item) <= after })
	}
	if len(items) <= size {
		return items, "", nil
	}
	part = items[:size]
	return part, asked.write(key(part[size-1])), nil
}

func (a Asked) hash() string {
	sum := sha256.Sum256([]byte(strings.Join(a.List, "\x00")))
	return string(sum[:hashed])
}

func (a Asked) write(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(a.hash() + after))
}

func (a Asked) read() (after string, ok bool) {
	content, err := base64.RawURLEncoding.DecodeString(a.Token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(content), a.hash())
}
