//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// testKonnectivity makes the API server call into the pod network, which it is not part of.
func testKonnectivity(t *testing.T, w *world, c *cluster) {
	t.Run("when an API is aggregated, its pod answers", func(t *testing.T) {
		eventually(t, "an answer of metrics.k8s.io", 2*time.Minute, func(ctx context.Context) error {
			result, err := w.cli.Kubectl(ctx, c.name, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
			if err == nil && !strings.Contains(result.Stdout, `"NodeMetricsList"`) {
				return fmt.Errorf("got %q", result.Stdout)
			}
			return err
		})
	})
	t.Run("when a Service is asked through the API server, its pod answers", func(t *testing.T) {
		got := w.kubectl(t, c, "get", "--raw", "/api/v1/namespaces/default/services/http:hello:80/proxy/")
		if !strings.HasPrefix(got, "Hello from") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("when a webhook is called, its pod is reached", func(t *testing.T) { testWebhook(t, c) })
}

// testWebhook names the application, which speaks plain HTTP, as a webhook: the error that the API
// server gives then can only come of a connection to the pod.
func testWebhook(t *testing.T, c *cluster) {
	hooks := c.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err := hooks.Create(t.Context(), &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e"},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name:                    "e2e.naru.dev",
			ClientConfig:            admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "default", Name: "hello", Port: ptr.To[int32](80)}},
			ObjectSelector:          &metav1.LabelSelector{MatchLabels: map[string]string{"e2e": "webhook"}},
			FailurePolicy:           ptr.To(admissionv1.Fail),
			SideEffects:             ptr.To(admissionv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hooks.Delete(context.Background(), "e2e", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "webhook-", Labels: map[string]string{"e2e": "webhook"}}}
	eventually(t, "the webhook's own refusal", 30*time.Second, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().ConfigMaps("default").Create(ctx, object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return errNothing // API servers learn of webhooks a little later.
		}
		if !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
			return fmt.Errorf("the pod was not reached: %w", err)
		}
		return nil
	})
}
