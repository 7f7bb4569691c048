package query

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/policy"
)

// Quotas of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, in characters without white space.
const (
	maxManaged     = 6144
	maxTrust       = 4096
	maxInlineUser  = 2048
	maxInlineRole  = 10240
	maxAttached    = 20
	maxTags        = 50
	maxKeys        = 2
	maxVersions    = 5
	defaultPageLen = 100
)

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]+$`)
	pathPattern = regexp.MustCompile(`^/([!-~]+/)?$`)
)

// identity checks what IAM knows a new thing by.
func identity(member, name string, path *string, maxName int, tags []types.Tag) (v1alpha1.IAMIdentity, error) {
	id := v1alpha1.IAMIdentity{Name: name, Path: cmp.Or(aws.ToString(path), "/")}
	switch {
	case !namePattern.MatchString(name):
		return id, validation("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	case len(name) > maxName:
		return id, validation("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member, maxName)
	case !pathPattern.MatchString(id.Path) || len(id.Path) > 512:
		return id, validation("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	var err error
	id.Tags, err = addTags(nil, tags)
	return id, err
}

func addTags(old map[string]string, tags []types.Tag) (map[string]string, error) {
	all := maps.Clone(old)
	if all == nil && len(tags) > 0 {
		all = map[string]string{}
	}
	seen := map[string]bool{}
	for _, tag := range tags {
		key, value := aws.ToString(tag.Key), aws.ToString(tag.Value)
		if key == "" || len(key) > 128 || len(value) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") || seen[strings.ToLower(key)] {
			return nil, fault(400, "InvalidInput", "The tag %q can't be: keys have 1 to 128 characters, do not begin with aws: and are there once; values have at most 256", key)
		}
		seen[strings.ToLower(key)] = true
		// Keys that differ in case only are the same.
		for other := range all {
			if strings.EqualFold(other, key) {
				delete(all, other)
			}
		}
		all[key] = value
	}
	if len(all) > maxTags {
		return nil, limitExceeded("Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	return all, nil
}

func removeTags(tags map[string]string, keys []string) {
	for _, key := range keys {
		maps.DeleteFunc(tags, func(other, _ string) bool { return strings.EqualFold(other, key) })
	}
}

func toTags(tags map[string]string) []types.Tag {
	list := []types.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

// checkDocument parses a policy and holds it against its quota.
func checkDocument(kind policy.Kind, text string, quota int) error {
	if size := policy.Size(text); size > quota {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", quota)
	}
	if _, err := policy.Parse(kind, text); err != nil {
		return malformed(err)
	}
	return nil
}

// escapeDocument is how IAM answers documents: percent-encoded as RFC 3986 has it.
func escapeDocument(text string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
}

func boundary(arn string) *types.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: aws.String(arn), PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy}
}

// created is when an object was made; what is built in was never made, which 1970 stands for.
func created(o metav1.Object) *time.Time {
	at := o.GetCreationTimestamp()
	if at.IsZero() {
		return aws.Time(time.Unix(0, 0).UTC())
	}
	return aws.Time(at.UTC())
}

// page cuts a list that is sorted by name into what was asked for. A marker is the name of the last item before, bound to
// the action that gave it.
func page[T any](action string, items []T, name func(T) string, marker *string, maxItems *int32) (cut []T, truncated bool, next *string, err error) {
	length := int(aws.ToInt32(maxItems))
	switch {
	case maxItems == nil:
		length = defaultPageLen
	case length < 1 || length > 1000:
		return nil, false, nil, validation("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", length)
	}
	if marker != nil {
		text, err := base64.RawURLEncoding.DecodeString(*marker)
		last, ok := strings.CutPrefix(string(text), action+"\n")
		if err != nil || !ok {
			return nil, false, nil, validation("Invalid Marker.")
		}
		items = slices.DeleteFunc(slices.Clone(items), func(item T) bool { return name(item) <= last })
	}
	if len(items) <= length {
		return items, false, nil, nil
	}
	cut = items[:length]
	return cut, true, aws.String(base64.RawURLEncoding.EncodeToString([]byte(action + "\n" + name(cut[length-1])))), nil
}

// newID is a fresh unique id for a thing.
func newID(id v1alpha1.IAMIdentity, prefix string) v1alpha1.IAMIdentity {
	id.ID = iam.NewID(prefix)
	return id
}

// baseName is a name without what is before the last slash.
func baseName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
