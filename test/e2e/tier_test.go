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

	"naru.dev/naru/api/v1alpha1"
)

// testTier asks for more than there is, and then for another tier, of which every pod is made anew. The cluster keeps it.
func testTier(t *testing.T, w *world, c *cluster) {
	a := newAWS(t)
	t.Run("when there is no room for a tier, the update fails and says what is lacking, and nothing is replaced", func(t *testing.T) {
		before := w.controlPlanePods(t)
		update := a.resize(t, types.ProvisionedControlPlaneTierTier8xl)
		if update.Status != types.UpdateStatusFailed || len(update.Errors) != 1 || !strings.Contains(*update.Errors[0].ErrorMessage, "the hosting cluster has no room for tier-8xl") {
			t.Errorf("the update is %s: %+v", update.Status, update.Errors)
		}
		if after := w.controlPlanePods(t); after != before {
			t.Errorf("the control plane was %s, and is %s", before, after)
		}
	})
	t.Run("when the tier is another, no request fails, and every API server and member of etcd has it", func(t *testing.T) {
		undisturbed(t, c, func() {
			if update := a.resize(t, types.ProvisionedControlPlaneTierTierXl); update.Status != types.UpdateStatusSuccessful {
				t.Errorf("the update is %s: %+v", update.Status, update.Errors)
			}
		})
		if pods := w.controlPlanePods(t); strings.Count(pods, "max-requests-inflight=567") != 3 || strings.Count(pods, "quota-backend-bytes=17179869184") != 3 {
			t.Errorf("it is %s", pods)
		}
		described, err := a.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(haCluster)})
		if err != nil || described.Cluster.ControlPlaneScalingConfig.Tier != types.ProvisionedControlPlaneTierTierXl {
			t.Errorf("got %+v, %v", described, err)
		}
	})
}

// resize asks for a tier of the highly available cluster, and returns the update once it is over.
func (a awsClients) resize(t *testing.T, tier types.ProvisionedControlPlaneTier) (update *types.Update) {
	t.Helper()
	name := aws.String(haCluster)
	out, err := a.eks.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: name, ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: tier}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "update to "+string(tier), 3*time.Minute, func(ctx context.Context) error {
		found, err := a.eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: name, UpdateId: out.Update.Id})
		if err != nil {
			return err
		}
		if update = found.Update; update.Status == types.UpdateStatusInProgress {
			return errors.New("it is in progress")
		}
		return nil
	})
	return update
}

// controlPlanePods are the API servers and members of etcd, each with what its tier says of it.
func (w *world) controlPlanePods(t *testing.T) string {
	t.Helper()
	pods, err := w.hosting(t).kube.CoreV1().Pods(v1alpha1.Namespace(haCluster)).List(t.Context(), metav1.ListOptions{
		LabelSelector: v1alpha1.LabelComponent + " in (kube-apiserver, etcd)", FieldSelector: "status.phase=Running"})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp != nil {
			continue
		}
		fmt.Fprint(&all, pod.Name, " ", pod.UID)
		for _, arg := range pod.Spec.Containers[0].Args {
			if strings.Contains(arg, "max-requests-inflight") || strings.Contains(arg, "quota-backend-bytes") {
				fmt.Fprint(&all, " ", arg)
			}
		}
		fmt.Fprintln(&all)
	}
	return all.String()
}
