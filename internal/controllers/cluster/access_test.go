package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// change changes the spec of cluster demo.
func change(t *testing.T, c client.Client, do func(*v1alpha1.ClusterSpec)) *v1alpha1.Cluster {
	t.Helper()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
		t.Fatal(err)
	}
	stored := cluster.DeepCopy()
	do(&cluster.Spec)
	if err := c.Patch(t.Context(), cluster, client.MergeFrom(stored)); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// testLimitsEndpoint is whoever publishes the front.
func testLimitsEndpoint(t *testing.T, c client.Client) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "front"}}
	for _, step := range []struct {
		access v1alpha1.EndpointAccess
		from   string
	}{
		{v1alpha1.EndpointAccess{PublicCIDRs: []string{"10.0.0.0/8", "127.0.0.1/32"}}, "10.0.0.0/8,127.0.0.1/32"},
		{v1alpha1.EndpointAccess{Public: v1alpha1.EndpointClosed}, "none"},
		{v1alpha1.EndpointAccess{}, ""},
	} {
		cluster := change(t, c, func(spec *v1alpha1.ClusterSpec) { spec.EndpointAccess = step.access })
		eventually(t, c, service, func() string {
			if got := service.Annotations[v1alpha1.AnnotationPublishFrom]; got != step.from {
				return "the front is to be published for " + got
			}
			return ""
		})
		eventually(t, c, cluster, func() string {
			if conditions.IsTrue(cluster, v1alpha1.ClusterEndpointReady) {
				return "it is said to be in force, which nobody has said"
			}
			return ""
		})
		stored := service.DeepCopy()
		service.Annotations[v1alpha1.AnnotationPublishedFrom] = step.from
		if step.from == "" {
			delete(service.Annotations, v1alpha1.AnnotationPublishedFrom)
		}
		if err := c.Patch(t.Context(), service, client.MergeFrom(stored)); err != nil {
			t.Fatal(err)
		}
		eventually(t, c, cluster, func() string {
			if !conditions.IsTrue(cluster, v1alpha1.ClusterEndpointReady) {
				return "it is not said to be in force"
			}
			return ""
		})
	}
}

// testWritesProvider looks at what API servers mount; that they load it is for e2e.
func testWritesProvider(t *testing.T, c client.Client) {
	written := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "authentication"}}
	want := func(words string, there bool) {
		t.Helper()
		eventually(t, c, written, func() string {
			if text := written.Data["authentication.yaml"]; strings.Contains(text, words) != there || !strings.Contains(text, "/readyz") {
				return text
			}
			return ""
		})
	}
	provider := &v1alpha1.IdentityProvider{Name: "login", IssuerURL: "https://login.example.org", ClientID: "kubernetes"}
	change(t, c, func(spec *v1alpha1.ClusterSpec) { spec.IdentityProvider = provider })
	want("url: https://login.example.org", true)
	// An API server would not start with it.
	change(t, c, func(spec *v1alpha1.ClusterSpec) {
		spec.IdentityProvider.CertificateAuthority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	})
	want("jwt", false)
	bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.ConfigMapIssuerAuthorities}}
	authority := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: "ca"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(authority), authority); err != nil {
		t.Fatal(err)
	}
	bundle.Data = map[string]string{v1alpha1.KeyIssuerAuthorities: string(authority.Data["tls.crt"])}
	if err := c.Create(t.Context(), bundle); err != nil {
		t.Fatal(err)
	}
	change(t, c, func(spec *v1alpha1.ClusterSpec) { spec.IdentityProvider.CertificateAuthority = "" })
	want("certificateAuthority: |", true)
	change(t, c, func(spec *v1alpha1.ClusterSpec) { spec.IdentityProvider = nil })
	want("jwt", false)
}
