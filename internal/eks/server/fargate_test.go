package server

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"naru.dev/naru/internal/iam"
)

func profile(cluster, name string) *eks.CreateFargateProfileInput {
	return &eks.CreateFargateProfileInput{ClusterName: &cluster, FargateProfileName: &name, PodExecutionRoleArn: aws.String(role), Subnets: []string{subnet},
		Tags:      map[string]string{"team": "web"},
		Selectors: []types.FargateProfileSelector{{Namespace: aws.String("web-*"), Labels: map[string]string{"tier": "front"}}}}
}

// TestFargateProfile goes the whole way with the waiters of AWS's SDK.
func TestFargateProfile(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	made, err := client.CreateFargateProfile(t.Context(), profile("prod", "web"))
	if err != nil {
		t.Fatal(err)
	}
	want := &types.FargateProfile{ClusterName: aws.String("prod"), FargateProfileName: aws.String("web"), PodExecutionRoleArn: aws.String(role), Subnets: []string{subnet},
		Selectors: profile("", "").Selectors, Status: types.FargateProfileStatusCreating, Tags: map[string]string{"team": "web"},
		Health: &types.FargateProfileHealth{Issues: []types.FargateProfileIssue{}}}
	if diff := cmp.Diff(want, made.FargateProfile, cmpopts.IgnoreUnexported(types.FargateProfile{}, types.FargateProfileSelector{}, types.FargateProfileHealth{}),
		cmpopts.IgnoreFields(types.FargateProfile{}, "CreatedAt", "FargateProfileArn")); diff != "" {
		t.Errorf("when it is made, it says what was asked (-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(s.asked, func(r iam.Request) bool {
		return r.Action == "iam:PassRole" && r.Resource == role && slices.Equal(r.Context["iam:PassedToService"], []string{"eks-fargate-pods.amazonaws.com"})
	}) {
		t.Errorf("who makes it has to be let pass the role: %+v", s.asked)
	}
	inUse := new(types.ResourceInUseException)
	if _, err := client.CreateFargateProfile(t.Context(), profile("prod", "batch")); !errors.As(err, &inUse) || !strings.Contains(*inUse.Message, "web in status CREATING") {
		t.Errorf("when another one is being made, it waits: %v", err)
	}
	which := &eks.DescribeFargateProfileInput{ClusterName: aws.String("prod"), FargateProfileName: aws.String("web")}
	ready := eks.NewFargateProfileActiveWaiter(client, func(o *eks.FargateProfileActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := ready.Wait(t.Context(), which, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateFargateProfile(t.Context(), profile("prod", "web")); !errors.As(err, &inUse) || !strings.Contains(*inUse.Message, "already exists") {
		t.Errorf("when there is one of that name: %v", err)
	}
	if _, err := client.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("prod")}); !errors.As(err, &inUse) || !strings.Contains(*inUse.Message, "Fargate") {
		t.Errorf("a cluster with a profile: %v", err)
	}
	retag(t, client, made.FargateProfile.FargateProfileArn)
	deleted, err := client.DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: aws.String("prod"), FargateProfileName: aws.String("web")})
	if err != nil || deleted.FargateProfile.Status != types.FargateProfileStatusDeleting {
		t.Fatalf("got %+v, %v", deleted, err)
	}
	gone := eks.NewFargateProfileDeletedWaiter(client, func(o *eks.FargateProfileDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon })
	if err := gone.Wait(t.Context(), which, time.Minute); err != nil {
		t.Fatal(err)
	}
	missing := new(types.ResourceNotFoundException)
	if _, err := client.DescribeFargateProfile(t.Context(), which); !errors.As(err, &missing) || *missing.FargateProfileName != "web" {
		t.Errorf("when it is gone: %v", err)
	}
}

// retag changes the tags of what an ARN names, and reads them again.
func retag(t *testing.T, client *eks.Client, arn *string) {
	t.Helper()
	if _, err := client.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"stage": "1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UntagResource(t.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := client.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || !cmp.Equal(tags.Tags, map[string]string{"stage": "1"}) {
		t.Errorf("got %v, %v", tags, err)
	}
}

func TestFargateProfileInput(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	for reason, test := range map[string]struct {
		change func(*eks.CreateFargateProfileInput)
		words  string
	}{
		"when the role does not trust EKS, it is refused in the words that Terraform tries again for": {
			func(in *eks.CreateFargateProfileInput) {
				in.PodExecutionRoleArn = aws.String("arn:aws:iam::111122223333:role/none")
			}, "Misconfigured PodExecutionRole Trust Policy"},
		"when the role is another account's, it is refused": {
			func(in *eks.CreateFargateProfileInput) {
				in.PodExecutionRoleArn = aws.String("arn:aws:iam::444455556666:role/eks")
			}, "Cross-account"},
		"when there is no selector, it is refused": {func(in *eks.CreateFargateProfileInput) { in.Selectors = nil }, "selectors is required"},
		"when there are six selectors, it is refused": {
			func(in *eks.CreateFargateProfileInput) { in.Selectors = make([]types.FargateProfileSelector, 6) }, "1 to 5"},
		"when a selector has no namespace, it is refused": {
			func(in *eks.CreateFargateProfileInput) { in.Selectors[0].Namespace = nil }, "namespace"},
		"when a subnet can't be, it does not exist": {func(in *eks.CreateFargateProfileInput) { in.Subnets = []string{"mine"} }, "does not exist"},
		"when a name breaks the rules, those are told": {
			func(in *eks.CreateFargateProfileInput) { in.FargateProfileName = aws.String("My_Profile") }, "lower-case"},
	} {
		t.Run(reason, func(t *testing.T) {
			in := profile("prod", "web")
			test.change(in)
			_, err := client.CreateFargateProfile(t.Context(), in)
			if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) || !strings.Contains(*invalid.Message, test.words) {
				t.Errorf("got %v", err)
			}
		})
	}
	if list, err := client.ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: aws.String("prod")}); err != nil || len(list.FargateProfileNames) > 0 {
		t.Errorf("something was made: %+v, %v", list, err)
	}
}
