package ecr

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"

	"naru.dev/naru/internal/eks/paging"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/layout"
)

// plain is what ECR calls a name, of 2 to 256 characters:
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
var plain = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

func valid(name string) bool { return len(name) >= 2 && len(name) <= 256 && plain.MatchString(name) }

func checkName(name string) error {
	if !valid(name) {
		return invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: '%s' must have 2 to 256 characters and satisfy regular expression %s", name, plain)
	}
	return nil
}

const mutable, immutable, aes = "MUTABLE", "IMMUTABLE", "AES256"

func checkMutability(value string) error {
	if value != mutable && value != immutable {
		return invalid("imageTagMutability: '%s' is neither %s nor %s; Naru has no exclusion filters", value, mutable, immutable)
	}
	return nil
}

// find returns a repository that is there: it has a record, or images. Naru's own images are none.
func (o Options) find(ctx context.Context, up *Upstream, name string) (record Record, found bool, err error) {
	own, err := o.Own(ctx)
	if err != nil || own[name] || !valid(name) {
		return Record{}, false, err
	}
	if record, found, err = o.Records.Get(ctx, name); found || err != nil {
		return record, found, err
	}
	tags, err := up.tags(ctx, name)
	return Record{Name: name}, len(tags) > 0, err
}

// open connects, and finds a repository that must be there. Errors: *failure where it is not.
func (h *Handler) open(ctx context.Context, name string) (*Upstream, Record, error) {
	if err := checkName(name); err != nil {
		return nil, Record{}, err
	}
	up, err := h.Connect(ctx)
	if err != nil {
		return nil, Record{}, err
	}
	record, found, err := h.find(ctx, up, name)
	if err == nil && !found {
		err = h.noRepository(name)
	}
	return up, record, err
}

func (h *Handler) shape(record Record) repository {
	shape := repository{ARN: arn(h.Site, record.Name), RegistryID: h.Site.Account, Name: record.Name, URI: layout.RegistryHost + "/" + record.Name,
		Created: record.Created, Mutability: record.Mutability, Encryption: encryption{Type: aes}}
	if shape.Mutability == "" {
		shape.Mutability = mutable
	}
	return shape
}

func (h *Handler) create(r *http.Request, in createInput) (any, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	if in.Scanning != nil && in.Scanning.ScanOnPush {
		return nil, invalid("imageScanningConfiguration: Naru scans no images: scanOnPush can be false only")
	}
	if in.Encryption != nil && *in.Encryption != (encryption{Type: aes}) {
		return nil, invalid("encryptionConfiguration: Naru has no KMS: encryptionType can be %s only, without a kmsKey", aes)
	}
	if in.Mutability == "" {
		in.Mutability = mutable
	}
	if err := checkMutability(in.Mutability); err != nil {
		return nil, err
	}
	record := Record{Name: in.Name, Mutability: in.Mutability}
	if err := setTags(&record, in.Tags); err != nil {
		return nil, err
	}
	up, err := h.Connect(r.Context())
	if err != nil {
		return nil, err
	}
	own, err := h.Own(r.Context())
	if err != nil {
		return nil, err
	}
	if own[in.Name] {
		return nil, invalid("repositoryName: '%s' is one of the images that Naru and its clusters run: give yours another name, as team/%s", in.Name, in.Name)
	}
	_, exists, err := h.find(r.Context(), up, in.Name)
	if err != nil {
		return nil, err
	}
	made, ok, err := record, false, error(nil)
	if !exists {
		made, ok, err = h.Records.Create(r.Context(), record)
	}
	if err == nil && !ok {
		err = failed("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", in.Name, h.Site.Account)
	}
	return map[string]any{"repository": h.shape(made)}, err
}

func (h *Handler) describe(r *http.Request, in describeInput) (any, error) {
	shapes := []repository{}
	if len(in.Names) > 0 {
		if in.MaxResults != nil || in.NextToken != "" {
			return nil, invalid("maxResults and nextToken can't be used with repositoryNames")
		}
		for _, name := range in.Names {
			_, record, err := h.open(r.Context(), name)
			if err != nil {
				return nil, err
			}
			shapes = append(shapes, h.shape(record))
		}
		return map[string]any{"repositories": shapes}, nil
	}
	records, err := h.all(r.Context())
	if err != nil {
		return nil, err
	}
	part, next, err := cut(in.page, []string{"repositories"}, records, func(r Record) string { return r.Name })
	for _, record := range part {
		shapes = append(shapes, h.shape(record))
	}
	return answer("repositories", shapes, next), err
}

// all returns every repository, by name: those with a record, and those of the registry that have images.
func (h *Handler) all(ctx context.Context) ([]Record, error) {
	up, err := h.Connect(ctx)
	if err != nil {
		return nil, err
	}
	records, err := h.Records.List(ctx)
	if err != nil {
		return nil, err
	}
	known, err := h.Own(ctx)
	if err != nil {
		return nil, err
	}
	seen := registry.Own{}
	for _, record := range records {
		seen[record.Name] = true
	}
	names, err := up.catalog(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if known[name] || seen[name] || !valid(name) {
			continue
		}
		tags, err := up.tags(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(tags) > 0 {
			records = append(records, Record{Name: name})
		}
	}
	return records, nil
}

func (h *Handler) delete(r *http.Request, in deleteInput) (any, error) {
	up, record, err := h.open(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	images, err := up.images(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	if len(images) > 0 && !in.Force {
		return nil, failed("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", in.Name, h.Site.Account)
	}
	for _, image := range images {
		if err := up.delete(r.Context(), in.Name, image.tags, image.digest); err != nil {
			return nil, err
		}
	}
	return map[string]any{"repository": h.shape(record)}, h.Records.Delete(r.Context(), in.Name)
}

func (h *Handler) putMutability(r *http.Request, in mutabilityInput) (any, error) {
	if err := checkMutability(in.Mutability); err != nil {
		return nil, err
	}
	if _, _, err := h.open(r.Context(), in.Name); err != nil {
		return nil, err
	}
	err := h.Records.Change(r.Context(), in.Name, func(record *Record) { record.Mutability = in.Mutability })
	return map[string]any{"registryId": h.Site.Account, "repositoryName": in.Name, "imageTagMutability": in.Mutability}, err
}

// Sizes of pages.
const defaultPage, maxPage = 100, 1000

// cut returns the part of a list that is asked for, and the token of the next one.
func cut[T any](p page, list []string, items []T, key func(T) string) (part []T, next string, err error) {
	part, next, err = paging.Cut(paging.Asked{List: list, Size: p.MaxResults, Default: defaultPage, Most: maxPage, Token: p.NextToken}, items, key)
	if err != nil {
		err = invalid("%s", err)
	}
	return part, next, err
}

// answer is a list with the token of its next part.
func answer[T any](name string, items []T, next string) map[string]any {
	told := map[string]any{name: items}
	if next != "" {
		told["nextToken"] = next
	}
	return told
}

func encoded(token string) string { return base64.StdEncoding.EncodeToString([]byte("AWS:" + token)) }
