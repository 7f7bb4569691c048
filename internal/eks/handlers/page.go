package handlers

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"naru.dev/naru/internal/eks/paging"
)

// maxPage is how many results an answer has at most, and where none is asked for.
const maxPage = 100

// pages are how a list is asked for: everything but the token and the size of the page decides which list it is.
type pages struct {
	list  []string
	size  *int32
	token *string
}

// page returns the part of items, sorted by key, that was asked for, and the token of the next part.
func page[T any](s subject, p pages, items []T, key func(T) string) (part []T, next *string, err error) {
	part, token, err := paging.Cut(paging.Asked{List: p.list, Size: p.size, Default: maxPage, Most: maxPage, Token: aws.ToString(p.token)}, items, key)
	if err != nil {
		return nil, nil, s.invalid("%s", err)
	}
	if token != "" {
		next = &token
	}
	return part, next, nil
}

func itself(s string) string { return s }
