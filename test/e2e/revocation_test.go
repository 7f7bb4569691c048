//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/sigv4"
)

// viewerReads tries what the policy allows, as soon as the entry is there, and what it does not.
func (x *access) viewerReads(t *testing.T, key sigv4.Key) {
	c := x.connect(t, x.token(t, eksCluster, key))
	eventually(t, "access entry and policy", 5*time.Second, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{})
		return err
	})
	_, pods := c.kube.CoreV1().Pods("other").List(t.Context(), metav1.ListOptions{})
	_, everywhere := c.kube.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	_, secrets := c.kube.CoreV1().Secrets("team-a").List(t.Context(), metav1.ListOptions{})
	_, nodes := c.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	written := c.kube.CoreV1().Pods("team-a").Delete(t.Context(), "any", metav1.DeleteOptions{})
	for what, err := range map[string]error{"pods elsewhere": pods, "pods everywhere": everywhere, "Secrets": secrets, "nodes": nodes, "writing": written} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want Forbidden", what, err)
		}
	}
}

// replaces takes naru server and an authenticator away, under a probe that shows one token.
func (x *access) replaces(t *testing.T) {
	c := x.connect(t, x.token(t, eksCluster, x.signer.Key))
	hosting := x.w.hosting(t)
	undisturbed(t, c, func() {
		pods := hosting.kube.CoreV1().Pods(v1alpha1.SystemNamespace)
		if err := pods.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=naru-server"}); err != nil {
			t.Fatal(err)
		}
		victim := x.authenticators(t)[0].Name
		if err := pods.Delete(t.Context(), victim, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, victim+" to be gone", time.Minute, func(ctx context.Context) error {
			_, err := pods.Get(ctx, victim, metav1.GetOptions{})
			return gone(err)
		})
		x.awaitSystem(t, authenticatorName, 2)
		x.awaitSystem(t, "naru-server", 1)
	})
}

// awaitSystem waits until a Deployment of Naru's own has this many pods, all available.
func (x *access) awaitSystem(t *testing.T, name string, replicas int32) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d of %s", replicas, name), 2*time.Minute, func(ctx context.Context) error {
		d := &appsv1.Deployment{}
		if err := x.w.hosting(t).client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, d); err != nil {
			return err
		}
		if d.Status.ObservedGeneration < d.Generation || d.Status.Replicas != replicas || d.Status.AvailableReplicas != replicas {
			return fmt.Errorf("%d of %d pods are available", d.Status.AvailableReplicas, d.Status.Replicas)
		}
		return nil
	})
}

// revokes deletes a key whose token has just been used.
func (x *access) revokes(t *testing.T, key sigv4.Key) {
	c := x.connect(t, x.token(t, eksCluster, key))
	if _, err := c.kube.CoreV1().Pods("team-a").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatalf("before the key is deleted: %v", err)
	}
	if _, err := x.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String(viewer), AccessKeyId: &key.AccessKeyID}); err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	until := func(what string, refused func(error) bool) {
		eventually(t, what, 2*revocation, func(ctx context.Context) error {
			_, err := c.kube.CoreV1().Pods("team-a").List(ctx, metav1.ListOptions{})
			if refused(err) {
				return nil
			}
			return errors.Join(errors.New("it is not refused"), err)
		})
	}
	until("the key to allow nothing", func(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) })
	if took := time.Since(deleted); took > revocation {
		t.Errorf("it was good for another %s", took)
	}
	until("the key to be nobody's", apierrors.IsUnauthorized)
}

// works waits for what the controller manager and the kubelets do with their credentials.
func (x *access) works(t *testing.T, c *cluster) {
	t.Helper()
	begin := time.Now()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "without-authenticator"}}
	if _, err := c.kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace's service account", 30*time.Second, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().ServiceAccounts(namespace.Name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	eventually(t, "the nodes' next leases", time.Minute, func(ctx context.Context) error {
		leases, err := c.kube.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
		if err == nil && len(leases.Items) == 0 {
			err = errors.New("there is no node")
		}
		if err != nil {
			return err
		}
		for _, lease := range leases.Items {
			if lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Before(&metav1.MicroTime{Time: begin}) {
				return fmt.Errorf("that of %s is older", lease.Name)
			}
		}
		return nil
	})
}

// goesOn takes all authenticators away for a while.
func (x *access) goesOn(t *testing.T) {
	hosting := x.w.hosting(t)
	scale := func(replicas int32) {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: authenticatorName}}
		patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
		if err := hosting.client.Patch(context.WithoutCancel(t.Context()), d, patch); err != nil {
			t.Fatal(err)
		}
	}
	scale(0)
	defer scale(2)
	eventually(t, "no authenticator", time.Minute, func(ctx context.Context) error {
		pods, err := hosting.kube.CoreV1().Pods(v1alpha1.SystemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + authenticatorName})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("there are %d", len(pods.Items))
		}
		return err
	})
	// The certificate's is the administrator's of `naru kubeconfig`.
	certificate := x.w.connect(t, eksCluster)
	undisturbed(t, certificate, func() {
		begin := time.Now()
		x.unauthorized(t, x.connect(t, x.token(t, eksCluster, x.signer.Key)))
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("who shows a token waits for %s", took)
		}
		x.works(t, certificate)
	})
	scale(2)
	x.awaitSystem(t, authenticatorName, 2)
	c := x.connect(t, x.token(t, eksCluster, x.signer.Key))
	eventually(t, "tokens to be good again", 10*time.Second, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return err
	})
}
