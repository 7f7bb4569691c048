package ecr

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// removal is what deleting an image comes down to: tags, and the image itself where a digest is given.
type removal struct {
	tags   []string
	digest string
	// told are the ids that were deleted.
	told []imageID
}

// plan says what to delete for an id, given the images that have tags. An image goes with its last tag. It is pure.
func plan(images []stored, id imageID) (r removal, found bool, failure *imageFailure) {
	if id.Tag == "" {
		at := slices.IndexFunc(images, func(s stored) bool { return s.digest == id.Digest })
		if at < 0 {
			return removal{digest: id.Digest, told: []imageID{id}}, false, nil
		}
		r = removal{tags: images[at].tags, digest: id.Digest}
		for _, tag := range r.tags {
			r.told = append(r.told, imageID{id.Digest, tag})
		}
		return r, true, nil
	}
	at := slices.IndexFunc(images, func(s stored) bool { return slices.Contains(s.tags, id.Tag) })
	if at < 0 {
		return r, false, &imageFailure{id, "ImageNotFound", "Requested image not found"}
	}
	image := images[at]
	if id.Digest != "" && id.Digest != image.digest {
		return r, false, &imageFailure{id, "ImageTagDoesNotMatchDigest", "The tag " + id.Tag + " is of " + image.digest}
	}
	r = removal{tags: []string{id.Tag}, told: []imageID{{image.digest, id.Tag}}}
	if len(image.tags) == 1 {
		r.digest = image.digest
	}
	return r, true, nil
}

func (h *Handler) batchDelete(r *http.Request, in batchDeleteInput) (any, error) {
	if err := checkIDs(in.IDs); err != nil {
		return nil, err
	}
	up, _, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	deleted, failures := []imageID{}, []imageFailure{}
	for _, id := range in.IDs {
		told, failure, err := h.deleteOne(r.Context(), up, in.Name, id)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			failures = append(failures, *failure)
		}
		deleted = append(deleted, told...)
	}
	// A repository that images alone made stays when its last image goes: DeleteRepository is what ends it.
	if len(deleted) > 0 {
		if err := h.Records.Change(r.Context(), in.Name, func(*Record) {}); err != nil {
			return nil, err
		}
	}
	return map[string]any{"imageIds": deleted, "failures": failures}, nil
}

func (h *Handler) deleteOne(ctx context.Context, up *Upstream, path string, id imageID) ([]imageID, *imageFailure, error) {
	if code, reason := refusal(id); code != "" {
		return nil, &imageFailure{id, code, reason}, nil
	}
	images, err := up.images(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	what, tagged, failure := plan(images, id)
	if failure != nil {
		return nil, failure, nil
	}
	if !tagged {
		_, found, err := up.head(ctx, path, id.Digest)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			return nil, &imageFailure{id, "ImageNotFound", "Requested image not found"}, nil
		}
	}
	if what.digest != "" {
		index, err := indexOf(ctx, up, path, images, what.digest)
		if err != nil {
			return nil, nil, err
		}
		if index != "" && tagged && id.Tag != "" {
			what.digest = "" // the tag can go, the image stays for the index
		} else if index != "" {
			return nil, &imageFailure{id, "ImageReferencedByManifestList", "Requested image referenced by manifest list: [" + index + "]"}, nil
		}
	}
	return what.told, nil, up.delete(ctx, path, what.tags, what.digest)
}

// indexOf is the digest of an index that an image belongs to, if there is one with a tag.
func indexOf(ctx context.Context, up *Upstream, path string, images []stored, digest string) (string, error) {
	for _, image := range images {
		if !isIndex(image.mediaType) || image.digest == digest {
			continue
		}
		read, found, err := up.get(ctx, path, image.digest)
		if err != nil {
			return "", err
		}
		if !found {
			continue
		}
		members, err := children(read)
		if err != nil {
			return "", err
		}
		if slices.Contains(members, digest) {
			return image.digest, nil
		}
	}
	return "", nil
}

// isIndex tells whether a manifest lists others.
func isIndex(mediaType string) bool {
	return types.MediaType(mediaType).IsIndex()
}
