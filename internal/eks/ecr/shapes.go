package ecr

import "naru.dev/naru/internal/eks/convert"

// What is asked. A member that is not here is refused by its name.
type (
	// registryID, where it is given, must be the account.
	registryID struct {
		RegistryID string `json:"registryId"`
	}
	// page of a list.
	page struct {
		MaxResults *int32 `json:"maxResults"`
		NextToken  string `json:"nextToken"`
	}
	tag struct {
		Key   string `json:"Key"`
		Value string `json:"Value"`
	}
	authorizationInput struct {
		RegistryIDs []string `json:"registryIds"`
	}
	createInput struct {
		registryID
		Name       string      `json:"repositoryName"`
		Mutability string      `json:"imageTagMutability"`
		Tags       []tag       `json:"tags"`
		Scanning   *scanning   `json:"imageScanningConfiguration"`
		Encryption *encryption `json:"encryptionConfiguration"`
	}
	scanning struct {
		ScanOnPush bool `json:"scanOnPush"`
	}
	encryption struct {
		Type string `json:"encryptionType"`
		Key  string `json:"kmsKey,omitempty"`
	}
	describeInput struct {
		registryID
		page
		Names []string `json:"repositoryNames"`
	}
	deleteInput struct {
		registryID
		Name  string `json:"repositoryName"`
		Force bool   `json:"force"`
	}
	mutabilityInput struct {
		registryID
		Name       string `json:"repositoryName"`
		Mutability string `json:"imageTagMutability"`
	}
	setPolicyInput struct {
		registryID
		Name  string `json:"repositoryName"`
		Text  string `json:"policyText"`
		Force bool   `json:"force"`
	}
	policyInput struct {
		registryID
		Name string `json:"repositoryName"`
	}
	filter struct {
		TagStatus string `json:"tagStatus"`
	}
	imagesInput struct {
		registryID
		page
		Name   string    `json:"repositoryName"`
		Filter filter    `json:"filter"`
		IDs    []imageID `json:"imageIds"`
	}
	listInput struct {
		registryID
		page
		Name   string `json:"repositoryName"`
		Filter filter `json:"filter"`
	}
	getInput struct {
		registryID
		Name     string    `json:"repositoryName"`
		IDs      []imageID `json:"imageIds"`
		Accepted []string  `json:"acceptedMediaTypes"`
	}
	batchDeleteInput struct {
		registryID
		Name string    `json:"repositoryName"`
		IDs  []imageID `json:"imageIds"`
	}
	tagInput struct {
		ARN  string `json:"resourceArn"`
		Tags []tag  `json:"tags"`
	}
	untagInput struct {
		ARN  string   `json:"resourceArn"`
		Keys []string `json:"tagKeys"`
	}
	tagsInput struct {
		ARN string `json:"resourceArn"`
	}
)

// imageID names an image by either, or both where they have to belong together.
type imageID struct {
	Digest string `json:"imageDigest,omitempty"`
	Tag    string `json:"imageTag,omitempty"`
}

// What is answered. Times are seconds since 1970.
type (
	authorization struct {
		Token    string `json:"authorizationToken"`
		Expires  int64  `json:"expiresAt"`
		Endpoint string `json:"proxyEndpoint"`
	}
	repository struct {
		ARN        string     `json:"repositoryArn"`
		RegistryID string     `json:"registryId"`
		Name       string     `json:"repositoryName"`
		URI        string     `json:"repositoryUri"`
		Created    int64      `json:"createdAt,omitempty"`
		Mutability string     `json:"imageTagMutability"`
		Scanning   scanning   `json:"imageScanningConfiguration"`
		Encryption encryption `json:"encryptionConfiguration"`
	}
	detail struct {
		RegistryID string   `json:"registryId"`
		Name       string   `json:"repositoryName"`
		Digest     string   `json:"imageDigest"`
		Tags       []string `json:"imageTags,omitempty"`
		Size       int64    `json:"imageSizeInBytes"`
		MediaType  string   `json:"imageManifestMediaType"`
		Artifact   string   `json:"artifactMediaType,omitempty"`
	}
	got struct {
		RegistryID string  `json:"registryId"`
		Name       string  `json:"repositoryName"`
		ID         imageID `json:"imageId"`
		Manifest   string  `json:"imageManifest"`
		MediaType  string  `json:"imageManifestMediaType"`
	}
	imageFailure struct {
		ID     imageID `json:"imageId"`
		Code   string  `json:"failureCode"`
		Reason string  `json:"failureReason"`
	}
)

// arn of a repository.
func arn(site convert.Site, name string) string {
	return "arn:aws:ecr:" + site.Region + ":" + site.Account + ":repository/" + name
}

// targets are the repositories that an input is about, which a caller must have the right to; nil: it is about all.
type targets interface{ targets() []string }

func (in createInput) targets() []string      { return []string{in.Name} }
func (in describeInput) targets() []string    { return in.Names }
func (in deleteInput) targets() []string      { return []string{in.Name} }
func (in mutabilityInput) targets() []string  { return []string{in.Name} }
func (in setPolicyInput) targets() []string   { return []string{in.Name} }
func (in policyInput) targets() []string      { return []string{in.Name} }
func (in imagesInput) targets() []string      { return []string{in.Name} }
func (in listInput) targets() []string        { return []string{in.Name} }
func (in getInput) targets() []string         { return []string{in.Name} }
func (in batchDeleteInput) targets() []string { return []string{in.Name} }

// account tells whose registry is asked.
func (r registryID) account() string { return r.RegistryID }
