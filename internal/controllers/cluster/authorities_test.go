package cluster

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/conditions"
)

func testTrustsAnother(t *testing.T, c client.Client) {
	cluster := newCluster("demo", "1.37")
	ask := func(authorities string) error {
		return c.Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"authorities":`+authorities+`}}`)))
	}
	if err := ask(`{"trusted":[1,2],"signing":3}`); err == nil || !strings.Contains(err.Error(), "authorities.signing must be one of authorities.trusted") {
		t.Errorf("when what nobody trusts is to sign, it is refused: %v", err)
	}
	if err := ask(`{"trusted":[2],"signing":2}`); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, cluster, func() string {
		found := cluster.Status.Authorities
		switch {
		case len(found) != 2:
			return fmt.Sprintf("there are %d authorities", len(found))
		case found[0].Signing != v1alpha1.AuthorityInUse || found[0].Distribution != v1alpha1.AuthorityDeleting:
			return fmt.Sprintf("the first is %s and %s", found[0].Signing, found[0].Distribution)
		case found[1].Signing != v1alpha1.AuthorityActivating || found[1].Distribution != v1alpha1.AuthorityInProgress:
			return fmt.Sprintf("the second is %s and %s", found[1].Signing, found[1].Distribution)
		case conditions.IsTrue(cluster, v1alpha1.ClusterAuthoritiesReady):
			return "nothing was seen to follow it"
		}
		return ""
	})
	own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-demo", Name: pki.CA}}
	eventually(t, c, own, func() string {
		if trusted := string(own.Data[pki.CertificateKey]); trusted != string(own.Data[pki.SigningKey])+string(cluster.Status.Authorities[1].Certificate) {
			return "nothing runs that could be seen to trust it, so that the first signs and both are trusted: " + trusted
		}
		return ""
	})
	if err := ask(`{"trusted":[1],"signing":1}`); err != nil {
		t.Fatal(err)
	}
}
