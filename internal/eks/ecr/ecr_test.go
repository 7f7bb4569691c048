package ecr_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var app = aws.String("team/app")

// code is that of a modelled error.
func code(err error) string {
	var known smithy.APIError
	if !errors.As(err, &known) {
		return ""
	}
	return known.ErrorCode()
}

func create(t *testing.T, c *ecr.Client, name *string) *types.Repository {
	t.Helper()
	made, err := c.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: name, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}})
	if err != nil {
		t.Fatal(err)
	}
	return made.Repository
}

func TestRepositories(t *testing.T) {
	s := newSite(t)
	c := s.client()
	made := create(t, c, app)
	if *made.RepositoryArn != "arn:aws:ecr:naru-kr-1:111122223333:repository/team/app" || *made.RepositoryUri != "registry.naru.local/team/app" ||
		made.ImageTagMutability != types.ImageTagMutabilityMutable || made.CreatedAt == nil {
		t.Errorf("%+v", made)
	}
	_, err := c.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: app})
	var exists *types.RepositoryAlreadyExistsException
	if !errors.As(err, &exists) || *exists.Message != "The repository with name 'team/app' already exists in the registry with id '111122223333'" {
		t.Errorf("when there is one, it is refused: %v", err)
	}
	for what, in := range map[string]*ecr.CreateRepositoryInput{
		"when the name is no name":        {RepositoryName: aws.String("Team/App")},
		"when the name is one of Naru's":  {RepositoryName: aws.String("etcd")},
		"when images are to be scanned":   {RepositoryName: aws.String("x1"), ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true}},
		"when another key encrypts":       {RepositoryName: aws.String("x1"), EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeKms}},
		"when it is in another registry":  {RepositoryName: aws.String("x1"), RegistryId: aws.String("999999999999")},
		"when a member is none of Naru's": {RepositoryName: aws.String("x1"), ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{{Filter: aws.String("a*"), FilterType: "WILDCARD"}}},
	} {
		if _, err := c.CreateRepository(t.Context(), in); code(err) != "InvalidParameterException" {
			t.Errorf("%s, it is refused: %v", what, err)
		}
	}
	var names []string
	pages := ecr.NewDescribeRepositoriesPaginator(c, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, repository := range page.Repositories {
			names = append(names, *repository.RepositoryName)
		}
	}
	if diff := cmp.Diff([]string{"team/app", "theirs"}, names); diff != "" {
		t.Errorf("a record, and what was pushed by others, are repositories; Naru's own images are none: %s", diff)
	}
	if _, err := c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"none"}}); code(err) != "RepositoryNotFoundException" {
		t.Errorf("when there is none, it says so: %v", err)
	}
	if _, err := c.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("etcd"), Force: true}); code(err) != "RepositoryNotFoundException" {
		t.Errorf("when it is Naru's own, it is not deleted: %v", err)
	}
	if _, err := c.PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: app, LifecyclePolicyText: aws.String("{}")}); code(err) != "UnknownOperationException" {
		t.Errorf("when Naru has no such operation, it says so: %v", err)
	}
}

func TestTags(t *testing.T) {
	s := newSite(t)
	c := s.client()
	resource := create(t, c, app).RepositoryArn
	if _, err := c.TagResource(t.Context(), &ecr.TagResourceInput{ResourceArn: resource, Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("dev")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagResource(t.Context(), &ecr.UntagResourceInput{ResourceArn: resource, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	got, err := c.ListTagsForResource(t.Context(), &ecr.ListTagsForResourceInput{ResourceArn: resource})
	if err != nil || len(got.Tags) != 1 || *got.Tags[0].Key != "env" || *got.Tags[0].Value != "dev" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestImages(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	made, digest := s.pushTwice(t)
	listed, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app})
	if err != nil || len(listed.ImageIds) != 2 || *listed.ImageIds[0].ImageTag != "1" || *listed.ImageIds[0].ImageDigest != digest.String() {
		t.Errorf("%+v, %v", listed, err)
	}
	described, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("2")}}})
	if err != nil || len(described.ImageDetails) != 1 {
		t.Fatalf("%+v, %v", described, err)
	}
	if d := described.ImageDetails[0]; *d.ImageSizeInBytes < 600<<10 || len(d.ImageTags) != 2 || *d.ImageDigest != digest.String() {
		t.Errorf("%+v", d)
	}
	_, err = c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("9")}}})
	if code(err) != "ImageNotFoundException" || !strings.Contains(err.Error(), "{imageDigest:'null', imageTag:'9'} does not exist within the repository with name 'team/app'") {
		t.Errorf("when there is no such image, it says so: %v", err)
	}
	manifest, err := made.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("1")}, {ImageTag: aws.String("9")}}})
	if err != nil || len(got.Images) != 1 || *got.Images[0].ImageManifest != string(manifest) || len(got.Failures) != 1 || got.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDeleteImages(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	made, digest := s.pushTwice(t)
	auth := remote.WithAuth(s.login(t))
	if _, err := c.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: app}); code(err) != "RepositoryNotEmptyException" {
		t.Errorf("when it has images, it is not deleted: %v", err)
	}
	remove := func(id types.ImageIdentifier) *ecr.BatchDeleteImageOutput {
		t.Helper()
		deleted, err := c.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{id}})
		if err != nil {
			t.Fatal(err)
		}
		return deleted
	}
	if remove(types.ImageIdentifier{ImageTag: aws.String("1")}); !s.pulls(t, "team/app:2", auth) {
		t.Error("when an image has another tag, it stays with that")
	}
	if gone := remove(types.ImageIdentifier{ImageTag: aws.String("2")}); len(gone.ImageIds) != 1 || s.pulls(t, "team/app@"+digest.String(), auth) {
		t.Errorf("when the last tag goes, the image does: %+v", gone)
	}
	if none := remove(types.ImageIdentifier{ImageDigest: aws.String(digest.String())}); len(none.Failures) != 1 {
		t.Errorf("when it is gone, it can't be deleted again: %+v", none)
	}
	if err := remote.Write(s.reference(t, "team/app:3"), made, auth); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: app, Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app}); code(err) != "RepositoryNotFoundException" || s.pulls(t, "team/app:3", auth) {
		t.Errorf("when the repository is deleted by force, nothing is left: %v", err)
	}
}

func (s *site) pulls(t *testing.T, reference string, auth remote.Option) bool {
	t.Helper()
	_, err := remote.Get(s.reference(t, reference), auth)
	return err == nil
}

func TestDenied(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	s.change(func() { s.refused = []string{"ecr:ListImages arn:aws:ecr:naru-kr-1:111122223333:repository/team/app"} })
	_, err := c.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: app})
	if code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "user/alice is not authorized to perform: ecr:ListImages on resource: arn:aws:ecr:") {
		t.Errorf("when policies do not allow it, it is refused: %v", err)
	}
	if log := s.log.String(); !strings.Contains(log, `"eventName":"ListImages"`) || !strings.Contains(log, `"errorCode":"AccessDeniedException"`) || !strings.Contains(log, `"eventSource":"ecr.amazonaws.com"`) {
		t.Errorf("the audit log: %s", log)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20261122/naru-kr-1/ecr/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 400 || answer.Header.Get("x-amzn-ErrorType") == "" {
		t.Errorf("when nobody signed, it is refused in JSON: %d, %v", answer.StatusCode, answer.Header)
	}
}

func TestIndex(t *testing.T) {
	s := newSite(t)
	c := s.client()
	create(t, c, app)
	index, err := random.Index(10<<10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	auth := remote.WithAuth(s.login(t))
	if err := remote.WriteIndex(s.reference(t, "team/app:all"), index, auth); err != nil {
		t.Fatal(err)
	}
	described, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: app})
	if err != nil || len(described.ImageDetails) != 1 || *described.ImageDetails[0].ImageSizeInBytes < 10<<10 {
		t.Errorf("when it is an index, its size is that of its largest image: %+v, %v", described, err)
	}
	member := aws.String(manifest.Manifests[0].Digest.String())
	found, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageDigest: member}}})
	if err != nil || len(found.ImageDetails) != 1 || len(found.ImageDetails[0].ImageTags) != 0 {
		t.Errorf("when an image has no tag, it is found by its digest: %+v, %v", found, err)
	}
	deleted, err := c.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: app, ImageIds: []types.ImageIdentifier{{ImageDigest: member}}})
	if err != nil || len(deleted.Failures) != 1 || deleted.Failures[0].FailureCode != types.ImageFailureCodeImageReferencedByManifestList {
		t.Errorf("when an index needs an image, it stays: %+v, %v", deleted, err)
	}
}
