package ecr

import (
	"net/http"
	"slices"
	"strings"
)

// maxTags is how many a repository may have.
const maxTags = 50

// setTags sets tags of a record. Errors: *failure.
func setTags(record *Record, tags []tag) error {
	merged := map[string]string{}
	for key, value := range record.Tags {
		merged[key] = value
	}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(t.Key, "aws:") {
			return failed("InvalidTagParameterException", "the tag '%s' is not valid: a key has 1 to 128 characters and does not begin with aws:, a value at most 256", t.Key)
		}
		merged[t.Key] = t.Value
	}
	if len(merged) > maxTags {
		return failed("TooManyTagsException", "a repository has at most %d tags", maxTags)
	}
	record.Tags = merged
	return nil
}

// tagged finds the repository that tags are about.
func (h *Handler) tagged(r *http.Request, resource string) (Record, error) {
	name, ok := h.named(resource)
	if !ok {
		return Record{}, invalid("resourceArn: '%s' is no repository of this registry", resource)
	}
	_, record, err := h.open(r.Context(), name)
	return record, err
}

func (h *Handler) tag(r *http.Request, in tagInput) (any, error) {
	record, err := h.tagged(r, in.ARN)
	if err != nil {
		return nil, err
	}
	if err := setTags(&record, in.Tags); err != nil {
		return nil, err
	}
	var refused error
	err = h.Records.Change(r.Context(), record.Name, func(record *Record) { refused = setTags(record, in.Tags) })
	if refused != nil {
		return nil, refused
	}
	return struct{}{}, err
}

func (h *Handler) untag(r *http.Request, in untagInput) (any, error) {
	record, err := h.tagged(r, in.ARN)
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.Records.Change(r.Context(), record.Name, func(record *Record) {
		for _, key := range in.Keys {
			delete(record.Tags, key)
		}
	})
}

func (h *Handler) listTags(r *http.Request, in tagsInput) (any, error) {
	record, err := h.tagged(r, in.ARN)
	if err != nil {
		return nil, err
	}
	tags := []tag{}
	for key, value := range record.Tags {
		tags = append(tags, tag{key, value})
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return map[string]any{"tags": tags}, nil
}
