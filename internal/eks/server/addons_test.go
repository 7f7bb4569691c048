package server

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// TestAddons is what users of the API do with add-ons, but for what terraform does.
func TestAddons(t *testing.T) {
	s := newSite(t)
	client, prod, coredns := s.client(), aws.String("prod"), aws.String("coredns")
	p := provider{T: t, client: client}
	if _, err := client.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: prod, RoleArn: aws.String(role), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{subnet}}}); err != nil {
		t.Fatal(err)
	}
	status := func() (string, error) {
		out, err := client.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: prod, AddonName: coredns})
		if err != nil {
			return "", err
		}
		return string(out.Addon.Status), nil
	}
	testAddonCatalogue(t, client)
	t.Run("when a configuration can't be, the property is named", func(t *testing.T) {
		_, err := client.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: prod, AddonName: coredns, ConfigurationValues: aws.String(`{"replicaCount":"many"}`)})
		invalid := new(types.InvalidParameterException)
		if !errors.As(err, &invalid) || !strings.Contains(*invalid.Message, "$.replicaCount") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when it is created, it tells its configuration", func(t *testing.T) {
		const values = `{"replicaCount":2}`
		if _, err := client.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: prod, AddonName: coredns, ConfigurationValues: aws.String(values)}); err != nil {
			t.Fatal(err)
		}
		awaitState(t, "creating", []string{"CREATING"}, "ACTIVE", status)
		out, err := client.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: prod, AddonName: coredns})
		if err != nil || aws.ToString(out.Addon.ConfigurationValues) != values || *out.Addon.AddonVersion != "v1.14.0-naru.1" {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("when an update meets somebody's field, it has failed for good, and another one may go on", func(t *testing.T) { p.conflictingUpdate(t, prod, coredns, status) })
	p.deletions(prod, coredns, status)
}

func testAddonCatalogue(t *testing.T, client *eks.Client) {
	coredns := aws.String("coredns")
	t.Run("when versions are asked for, those of all releases are told, each with the clusters that can have it", func(t *testing.T) {
		out, err := client.DescribeAddonVersions(t.Context(), &eks.DescribeAddonVersionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, info := range out.Addons {
			for _, v := range info.AddonVersions {
				for _, c := range v.Compatibilities {
					got[*info.AddonName] += *v.AddonVersion + "→" + *c.ClusterVersion + " "
				}
			}
		}
		if got["coredns"] != "v1.14.0-naru.1→1.37 v1.14.0-naru.1→1.36 " || got["kube-proxy"] != "v1.37.1-naru.1→1.37 v1.36.3-naru.1→1.36 " || len(got) != 5 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("when a schema is asked for, it is one", func(t *testing.T) {
		out, err := client.DescribeAddonConfiguration(t.Context(), &eks.DescribeAddonConfigurationInput{AddonName: coredns, AddonVersion: aws.String("v1.14.0-naru.1")})
		if err != nil {
			t.Fatal(err)
		}
		var schema struct{ Properties map[string]any }
		if err := json.Unmarshal([]byte(*out.ConfigurationSchema), &schema); err != nil || schema.Properties["replicaCount"] == nil {
			t.Errorf("got %s, %v", *out.ConfigurationSchema, err)
		}
	})
}

func (p provider) deletions(prod, coredns *string, status func() (string, error)) {
	client, gone := p.client, new(types.ResourceNotFoundException)
	p.Run("when it is deleted, it is until it is gone, and can be created again", func(t *testing.T) {
		if _, err := client.DeleteAddon(t.Context(), &eks.DeleteAddonInput{ClusterName: prod, AddonName: coredns}); err != nil {
			t.Fatal(err)
		}
		awaitState(t, "deleting", []string{"DELETING"}, "", func() (string, error) {
			state, err := status()
			if errors.As(err, &gone) {
				return "", nil
			}
			return state, err
		})
		if _, err := client.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: prod, AddonName: coredns}); err != nil {
			t.Fatal(err)
		}
		awaitState(t, "creating", []string{"CREATING"}, "ACTIVE", status)
	})
	p.Run("when it is deleted and preserved, it is gone at once", func(t *testing.T) {
		if _, err := client.DeleteAddon(t.Context(), &eks.DeleteAddonInput{ClusterName: prod, AddonName: coredns, Preserve: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := status(); !errors.As(err, &gone) {
			t.Errorf("got %v", err)
		}
	})
}

func (p provider) conflictingUpdate(t *testing.T, prod, coredns *string, status func() (string, error)) {
	update := func(values string, conflicts types.ResolveConflicts) *types.Update {
		out, err := p.client.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: prod, AddonName: coredns, ConfigurationValues: &values, ResolveConflicts: conflicts})
		if err != nil {
			t.Fatal(err)
		}
		return out.Update
	}
	describe := func(id *string) *types.Update {
		out, err := p.client.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: prod, AddonName: coredns, UpdateId: id})
		if err != nil {
			t.Fatal(err)
		}
		return out.Update
	}
	end := func(id *string) func() (string, error) {
		return func() (string, error) { return string(describe(id).Status), nil }
	}
	first := update(`{"podLabels":{"a":"conflict"}}`, types.ResolveConflictsNone)
	_, err := p.client.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: prod, AddonName: coredns})
	if busy := new(types.ResourceInUseException); !errors.As(err, &busy) {
		t.Errorf("another one meanwhile: %v", err)
	}
	awaitState(t, "the update", []string{"InProgress"}, "Failed", end(first.Id))
	if failed := describe(first.Id); len(failed.Errors) != 1 || failed.Errors[0].ErrorCode != types.ErrorCodeConfigurationConflict || !strings.Contains(*failed.Errors[0].ErrorMessage, ".spec.replicas") || len(failed.Params) != 3 {
		t.Errorf("got %+v", failed)
	}
	if state, err := status(); state != string(types.AddonStatusUpdateFailed) || err != nil {
		t.Errorf("the add-on is %s, %v", state, err)
	}
	second := update(`{"podLabels":{"a":"conflict"}}`, types.ResolveConflictsOverwrite)
	awaitState(t, "the update", []string{"InProgress"}, "Successful", end(second.Id))
	if state, err := status(); state != string(types.AddonStatusActive) || err != nil || describe(first.Id).Status != types.UpdateStatusFailed {
		t.Errorf("the add-on is %s, %v; the first update %s", state, err, describe(first.Id).Status)
	}
}
