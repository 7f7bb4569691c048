package ecr

import (
	"context"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// maxIDs is how many images one call is about at most.
const maxIDs = 100

// tagStatus says which images are listed. All that the registry lists have a tag.
func (f filter) none() (bool, error) {
	switch f.TagStatus {
	case "", "ANY", "TAGGED":
		return false, nil
	case "UNTAGGED":
		return true, nil
	}
	return false, invalid("filter.tagStatus: '%s' is none of TAGGED, UNTAGGED and ANY", f.TagStatus)
}

func (h *Handler) listImages(r *http.Request, in listInput) (any, error) {
	none, err := in.Filter.none()
	if err != nil {
		return nil, err
	}
	up, _, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	images, err := up.images(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	ids := []imageID{}
	for _, image := range images {
		for _, tag := range image.tags {
			ids = append(ids, imageID{image.digest, tag})
		}
	}
	if none {
		ids = ids[:0]
	}
	part, next, err := cut(in.page, []string{"images", in.Name, in.Filter.TagStatus}, ids, func(id imageID) string { return id.Tag })
	return answer("imageIds", part, next), err
}

func (h *Handler) describeImages(r *http.Request, in imagesInput) (any, error) {
	none, err := in.Filter.none()
	if err != nil {
		return nil, err
	}
	if len(in.IDs) > maxIDs || len(in.IDs) > 0 && (in.MaxResults != nil || in.NextToken != "") {
		return nil, invalid("imageIds are at most %d, and maxResults and nextToken can't be used with them", maxIDs)
	}
	up, _, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	images, err := up.images(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(in.IDs) > 0 {
		images, err = h.choose(r.Context(), up, in, images)
	} else {
		if none {
			images = nil
		}
		images, next, err = cut(in.page, []string{"details", in.Name, in.Filter.TagStatus}, images, func(s stored) string { return s.digest })
	}
	if err != nil {
		return nil, err
	}
	details := make([]detail, len(images))
	group, ctx := errgroup.WithContext(r.Context())
	group.SetLimit(atOnce)
	for i, image := range images {
		group.Go(func() (err error) {
			details[i], err = h.detail(ctx, up, in.Name, image)
			return err
		})
	}
	return answer("imageDetails", details, next), group.Wait()
}

// choose finds images by tag or digest; one that has no tag is found by its digest, too. Errors: *failure where one is not there.
func (h *Handler) choose(ctx context.Context, up *Upstream, in imagesInput, images []stored) ([]stored, error) {
	var chosen []stored
	for _, id := range in.IDs {
		at := slices.IndexFunc(images, func(s stored) bool {
			return (id.Digest == "" || id.Digest == s.digest) && (id.Tag == "" || slices.Contains(s.tags, id.Tag))
		})
		switch {
		case id.Digest == "" && id.Tag == "":
			return nil, invalid("imageIds: each needs an imageDigest or an imageTag")
		case at >= 0:
			chosen = append(chosen, images[at])
			continue
		}
		if _, err := v1.NewHash(id.Digest); err == nil && id.Tag == "" {
			descriptor, found, err := up.head(ctx, in.Name, id.Digest)
			if err != nil {
				return nil, err
			}
			if found {
				chosen = append(chosen, stored{digest: id.Digest, mediaType: string(descriptor.MediaType)})
				continue
			}
		}
		return nil, h.noImage(in.Name, id)
	}
	return chosen, nil
}

// detail reads an image. Its size is that of its layers as they are kept; an index has that of its largest image.
func (h *Handler) detail(ctx context.Context, up *Upstream, path string, image stored) (detail, error) {
	told := detail{RegistryID: h.Site.Account, Name: path, Digest: image.digest, Tags: image.tags, MediaType: image.mediaType}
	read, found, err := up.get(ctx, path, image.digest)
	if err != nil || !found {
		return told, err
	}
	if !read.MediaType.IsIndex() {
		told.Size, told.Artifact, err = sizeOf(read)
		return told, err
	}
	children, err := children(read)
	if err != nil {
		return told, err
	}
	for _, child := range children {
		read, found, err := up.get(ctx, path, child)
		if err != nil {
			return told, err
		}
		if !found || read.MediaType.IsIndex() {
			continue
		}
		size, _, err := sizeOf(read)
		if err != nil {
			return told, err
		}
		told.Size = max(told.Size, size)
	}
	return told, nil
}

func sizeOf(read *remote.Descriptor) (size int64, artifact string, err error) {
	image, err := read.Image()
	if err != nil {
		return 0, "", err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return 0, "", err
	}
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, string(manifest.Config.MediaType), nil
}

// children are the digests of the images of an index.
func children(read *remote.Descriptor) ([]string, error) {
	index, err := read.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var digests []string
	for _, child := range manifest.Manifests {
		digests = append(digests, child.Digest.String())
	}
	return digests, nil
}

// refusal says what is wrong with an image's name, before anything is asked.
func refusal(id imageID) (code, reason string) {
	_, err := v1.NewHash(id.Digest)
	switch {
	case id.Digest == "" && id.Tag == "":
		return "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
	case id.Digest != "" && err != nil:
		return "InvalidImageDigest", "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
	case id.Tag != "" && !validTag(id.Tag):
		return "InvalidImageTag", "Invalid request parameters: image tag should have 1 to 128 of letters, digits and ._-"
	}
	return "", ""
}

func checkIDs(ids []imageID) error {
	if len(ids) < 1 || len(ids) > maxIDs {
		return invalid("imageIds: %d are none of 1 to %d", len(ids), maxIDs)
	}
	return nil
}

func (h *Handler) batchGet(r *http.Request, in getInput) (any, error) {
	if err := checkIDs(in.IDs); err != nil {
		return nil, err
	}
	up, _, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	images, failures := []got{}, []imageFailure{}
	for _, id := range in.IDs {
		image, failure, err := h.getOne(r.Context(), up, in, id)
		switch {
		case err != nil:
			return nil, err
		case failure != nil:
			failures = append(failures, *failure)
		default:
			images = append(images, image)
		}
	}
	return map[string]any{"images": images, "failures": failures}, nil
}

func (h *Handler) getOne(ctx context.Context, up *Upstream, in getInput, id imageID) (got, *imageFailure, error) {
	if code, reason := refusal(id); code != "" {
		return got{}, &imageFailure{id, code, reason}, nil
	}
	reference := id.Tag
	if reference == "" {
		reference = id.Digest
	}
	read, found, err := up.get(ctx, in.Name, reference)
	switch {
	case err != nil:
		return got{}, nil, err
	case !found:
		return got{}, &imageFailure{id, "ImageNotFound", "Requested image not found"}, nil
	case id.Digest != "" && read.Digest.String() != id.Digest:
		return got{}, &imageFailure{id, "ImageTagDoesNotMatchDigest", "The tag " + id.Tag + " is of " + read.Digest.String()}, nil
	case len(in.Accepted) > 0 && !slices.Contains(in.Accepted, string(read.MediaType)):
		return got{}, &imageFailure{id, "ImageNotFound", "The image's manifest is " + string(read.MediaType) + ", which is none of acceptedMediaTypes: Naru converts no manifests"}, nil
	}
	return got{h.Site.Account, in.Name, imageID{read.Digest.String(), id.Tag}, string(read.Manifest), string(read.MediaType)}, nil, nil
}
