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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// isolated is the profile, and the namespace of the pods that it chooses.
const isolated, fargateRole = "isolated", "e2e-fargate"

// testFargate gives two pods a machine each, looks who is on those, and takes pods and profile away.
func (a awsClients) testFargate(t *testing.T, w *world) {
	c := w.connect(t, eksCluster)
	role := a.makeRole(t, fargateRole, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:*:fargateprofile/`+eksCluster+`/*"}}}]}`)
	which := &eks.DescribeFargateProfileInput{ClusterName: aws.String(eksCluster), FargateProfileName: aws.String(isolated)}
	in := &eks.CreateFargateProfileInput{ClusterName: which.ClusterName, FargateProfileName: which.FargateProfileName, PodExecutionRoleArn: aws.String(a.role(t)),
		Selectors: []types.FargateProfileSelector{{Namespace: aws.String("isol*")}}}
	if _, err := a.eks.CreateFargateProfile(t.Context(), in); err == nil || !strings.Contains(err.Error(), "Misconfigured PodExecutionRole Trust Policy") {
		t.Errorf("a role that trusts another service: %v", err)
	}
	in.PodExecutionRoleArn = &role
	if _, err := a.eks.CreateFargateProfile(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	active := eks.NewFargateProfileActiveWaiter(a.eks, func(o *eks.FargateProfileActiveWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := active.Wait(t.Context(), which, eksPatience); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, c, "create", "namespace", isolated)
	makeTwins(t, w, c)
	create(t, c, pod("ordinary", w.image(t, "busybox"), forever()...))
	awaitPods(t, c, "ordinary")
	var nodes map[string]string
	eventually(t, "two pods on Fargate", 2*time.Minute, func(ctx context.Context) (err error) {
		nodes, err = twins(ctx, c)
		return err
	})
	t.Run("when pods are chosen, each has a machine to itself", func(t *testing.T) { onTheirOwn(t, w, c, nodes) })
	t.Run("when a pod wants its node, Fargate refuses it", func(t *testing.T) {
		privileged := `{"spec":{"containers":[{"name":"p","image":"` + w.image(t, "busybox") + `","securityContext":{"privileged":true}}]}}`
		result, err := w.cli.Kubectl(t.Context(), c.name, "-n", isolated, "run", "p", "--image=none", "--overrides="+privileged)
		if err == nil || !strings.Contains(err.Error()+result.Stderr, "invalid SecurityContext fields: Privileged") {
			t.Errorf("got %v, %s", err, result.Stderr)
		}
	})
	w.kubectl(t, c, "-n", isolated, "delete", "deployment", "twins")
	eventually(t, "their machines to be gone", 2*time.Minute, func(ctx context.Context) error { return nothingOf(ctx, w, t, c) })
	a.deleteFargate(t, w, c, which)
}

// makeTwins makes a Deployment of two pods that end at once when they are told to.
func makeTwins(t *testing.T, w *world, c *cluster) {
	t.Helper()
	template := pod("twins", w.image(t, "busybox"), forever()...)
	labels := map[string]string{"app": "twins"}
	_, err := c.kube.AppsV1().Deployments(isolated).Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "twins"}, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: template.Spec}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// twins are the pods' nodes by pod, once both run.
func twins(ctx context.Context, c *cluster) (map[string]string, error) {
	pods, err := c.kube.CoreV1().Pods(isolated).List(ctx, metav1.ListOptions{LabelSelector: "app=twins"})
	if err != nil {
		return nil, err
	}
	nodes := map[string]string{}
	for i := range pods.Items {
		p := &pods.Items[i]
		if !podReady(p) {
			return nil, fmt.Errorf("%s: its phase is %s, its conditions %v", p.Name, p.Status.Phase, p.Status.Conditions)
		}
		if p.Labels[v1alpha1.LabelFargateProfile] != isolated {
			return nil, fmt.Errorf("%s has the labels %v", p.Name, p.Labels)
		}
		nodes[p.Name] = p.Spec.NodeName
	}
	if len(nodes) != 2 {
		return nil, fmt.Errorf("%d pods", len(nodes))
	}
	return nodes, nil
}

func onTheirOwn(t *testing.T, w *world, c *cluster, nodes map[string]string) {
	eventually(t, "nobody but them on their nodes", time.Minute, func(ctx context.Context) error {
		pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		on := map[string][]string{}
		for i := range pods.Items {
			p := &pods.Items[i]
			on[p.Spec.NodeName] = append(on[p.Spec.NodeName], p.Namespace+"/"+p.Name)
		}
		for name, node := range nodes {
			if len(on[node]) != 1 || on[node][0] != isolated+"/"+name {
				return fmt.Errorf("on %s are %v", node, on[node])
			}
		}
		return nil
	})
	for name, node := range nodes {
		// A pod can be ready before what tells of a new node that it isn't has been taken from it.
		eventually(t, "Fargate's labels and its taint alone on the node of "+name, time.Minute, func(ctx context.Context) error {
			found, err := c.kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
			if err != nil {
				return err
			}
			own, taints := found.Labels[v1alpha1.LabelFargatePod], found.Spec.Taints
			if found.Labels[v1alpha1.LabelComputeType] != v1alpha1.FargateComputeType || own == "" || len(taints) != 1 || taints[0].Key != v1alpha1.LabelComputeType || taints[0].Effect != corev1.TaintEffectNoSchedule {
				return fmt.Errorf("it has %v, %v", found.Labels, taints)
			}
			return nil
		})
		if out := w.kubectl(t, c, "-n", isolated, "exec", name, "--", "hostname"); strings.TrimSpace(out) != name {
			t.Errorf("in %s: %q", name, out)
		}
	}
	ordinary, err := c.kube.CoreV1().Pods("default").Get(t.Context(), "ordinary", metav1.GetOptions{})
	if err != nil || strings.HasPrefix(ordinary.Spec.NodeName, "fargate-") || len(ordinary.Spec.NodeSelector) > 0 {
		t.Errorf("a pod that no selector matches: on %s, %v, %v", ordinary.Spec.NodeName, ordinary.Spec.NodeSelector, err)
	}
}

// nothingOf errs while a machine, a node or a claim of the profile is there.
func nothingOf(ctx context.Context, w *world, t *testing.T, c *cluster) error {
	var machines v1alpha1.MachineList
	own := client.MatchingLabels{v1alpha1.LabelFargateProfile: isolated}
	if err := w.hosting(t).client.List(ctx, &machines, client.InNamespace(v1alpha1.Namespace(eksCluster)), own); err != nil {
		return err
	}
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes, own); err != nil {
		return err
	}
	claims := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaimList"}}
	if err := c.client.List(ctx, claims, own); err != nil {
		return err
	}
	if len(machines.Items)+len(nodes.Items)+len(claims.Items) > 0 {
		return fmt.Errorf("%d machines, %d nodes, %d claims", len(machines.Items), len(nodes.Items), len(claims.Items))
	}
	return nil
}

// deleteFargate deletes the profile under a pod that runs by it.
func (a awsClients) deleteFargate(t *testing.T, w *world, c *cluster, which *eks.DescribeFargateProfileInput) {
	last := pod("last", w.image(t, "busybox"), forever()...)
	if _, err := c.kube.CoreV1().Pods(isolated).Create(t.Context(), last, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := a.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: which.ClusterName})
	if inUse := new(types.ResourceInUseException); !errors.As(err, &inUse) {
		t.Errorf("a cluster with a Fargate profile: %v", err)
	}
	if _, err := a.eks.DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: which.ClusterName, FargateProfileName: which.FargateProfileName}); err != nil {
		t.Fatal(err)
	}
	over := eks.NewFargateProfileDeletedWaiter(a.eks, func(o *eks.FargateProfileDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, 2*time.Second })
	if err := over.Wait(t.Context(), which, eksPatience); err != nil {
		t.Fatal(err)
	}
	if err := nothingOf(t.Context(), w, t, c); err != nil {
		t.Errorf("when the profile is gone, something of it is left: %v", err)
	}
	if _, err := c.kube.CoreV1().Pods(isolated).Get(t.Context(), "last", metav1.GetOptions{}); gone(err) != nil {
		t.Errorf("its pod: %v", err)
	}
	policies := w.kubectl(t, c, "get", "mutatingadmissionpolicies,validatingadmissionpolicies", "-o", "name")
	if strings.Contains(policies, "fargate") {
		t.Errorf("when the last profile is gone, its policies are left: %s", policies)
	}
	w.kubectl(t, c, "delete", "namespace", isolated, "--wait=false")
	w.kubectl(t, c, "delete", "pod", "ordinary", "--wait=false")
}
