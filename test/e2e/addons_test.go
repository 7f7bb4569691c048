//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The longest that an add-on's pods may take to be as they should.
const addonPatience = 2 * time.Minute

// testAddons configures CoreDNS of the scenario's cluster by the EKS API.
func (a awsClients) testAddons(t *testing.T, w *world) {
	c, name, coredns := w.connect(t, eksCluster), aws.String(eksCluster), aws.String("coredns")
	which := &eks.DescribeAddonInput{ClusterName: name, AddonName: coredns}
	_, err := a.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: name, AddonName: coredns, ConfigurationValues: aws.String(`{"replicaCount":3,"replicas":3}`)})
	if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) || !strings.Contains(*invalid.Message, "additional properties 'replicas' not allowed") {
		t.Errorf("a property that is none: %v", err)
	}
	if _, err := a.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: name, AddonName: coredns, ConfigurationValues: aws.String(`{"replicaCount":3}`)}); err != nil {
		t.Fatal(err)
	}
	active := eks.NewAddonActiveWaiter(a.eks, func(o *eks.AddonActiveWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := active.Wait(t.Context(), which, addonPatience); err != nil {
		t.Fatal(err)
	}
	c.wantCoreDNS(t, 3)

	result, err := w.cli.Kubectl(t.Context(), c.name, "scale", "deployment", "coredns", "-n", "kube-system", "--replicas=2")
	if err != nil {
		t.Fatalf("%v, %s", err, result.Stderr)
	}
	conflict := a.updateAddon(t, `{"replicaCount":4}`, types.ResolveConflictsNone, types.UpdateStatusFailed)
	if len(conflict.Errors) != 1 || conflict.Errors[0].ErrorCode != types.ErrorCodeConfigurationConflict || !strings.Contains(*conflict.Errors[0].ErrorMessage, ".spec.replicas") {
		t.Errorf("somebody else's field: %+v", conflict.Errors)
	}
	c.wantCoreDNS(t, 2)
	a.updateAddon(t, `{"replicaCount":4,"podLabels":{"e2e":"preserved"}}`, types.ResolveConflictsPreserve, types.UpdateStatusSuccessful)
	if d := c.wantCoreDNS(t, 2); d["e2e"] != "preserved" {
		t.Errorf("the other field was not applied: %v", d)
	}
	a.updateAddon(t, `{"replicaCount":1}`, types.ResolveConflictsOverwrite, types.UpdateStatusSuccessful)
	if d := c.wantCoreDNS(t, 1); d["e2e"] != "" {
		t.Errorf("what is configured no longer stayed: %v", d)
	}
	out, err := a.eks.DescribeAddon(t.Context(), which)
	if err != nil || out.Addon.Status != types.AddonStatusActive || aws.ToString(out.Addon.ConfigurationValues) != `{"replicaCount":1}` {
		t.Errorf("got %+v, %v", out, err)
	}
}

// updateAddon waits until the update of CoreDNS has ended, as it should.
func (a awsClients) updateAddon(t *testing.T, values string, conflicts types.ResolveConflicts, want types.UpdateStatus) *types.Update {
	t.Helper()
	out, err := a.eks.UpdateAddon(t.Context(), &eks.UpdateAddonInput{ClusterName: aws.String(eksCluster), AddonName: aws.String("coredns"), ConfigurationValues: &values, ResolveConflicts: conflicts})
	if err != nil {
		t.Fatal(err)
	}
	var update *types.Update
	eventually(t, "the update with "+string(conflicts), addonPatience, func(ctx context.Context) error {
		described, err := a.eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: aws.String(eksCluster), AddonName: aws.String("coredns"), UpdateId: out.Update.Id})
		if err != nil {
			return err
		}
		if update = described.Update; update.Status == types.UpdateStatusInProgress {
			return fmt.Errorf("it is %s", update.Status)
		}
		return nil
	})
	if update.Status != want {
		t.Fatalf("the update with %s is %s, want %s: %+v", conflicts, update.Status, want, update.Errors)
	}
	return update
}

// wantCoreDNS checks how many pods CoreDNS is to have and has, and returns their labels.
func (c *cluster) wantCoreDNS(t *testing.T, want int32) map[string]string {
	t.Helper()
	d, err := c.kube.AppsV1().Deployments("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Spec.Replicas == nil || *d.Spec.Replicas != want {
		t.Errorf("CoreDNS is to have %v pods, want %d", d.Spec.Replicas, want)
	}
	return d.Spec.Template.Labels
}
