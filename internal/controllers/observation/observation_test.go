package observation

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clocktesting "k8s.io/utils/clock/testing"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/test/env"
)

const metrics = `# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="",version="v1beta3"} 1
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="status",version="v1beta3"} 1
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="componentstatuses",scope="cluster",subresource="",verb="LIST",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 5
apiserver_request_total{code="200",component="apiserver",dry_run="",group="flowcontrol.apiserver.k8s.io",resource="flowschemas",scope="cluster",subresource="",verb="LIST",version="v1beta3"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="flowcontrol.apiserver.k8s.io",resource="flowschemas",scope="resource",subresource="status",verb="PATCH",version="v1beta3"} 4
`

func TestParse(t *testing.T) {
	one, err := parse([]byte(metrics))
	if err != nil {
		t.Fatal(err)
	}
	statuses := v1alpha1.DeprecatedAPI{Version: "v1", Resource: "componentstatuses", Requests: 2}
	schemas := v1alpha1.DeprecatedAPI{Group: "flowcontrol.apiserver.k8s.io", Version: "v1beta3", Resource: "flowschemas", RemovedRelease: "1.32", Requests: 7,
		Replacement: "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", ReplacementSince: "1.29"}
	if diff := cmp.Diff([]v1alpha1.DeprecatedAPI{statuses, schemas}, one); diff != "" {
		t.Error(diff)
	}
	statuses.Requests, schemas.Requests = 4, 7
	if diff := cmp.Diff([]v1alpha1.DeprecatedAPI{statuses, schemas}, merge(append(one, one[0]))); diff != "" {
		t.Errorf("of two servers: %s", diff)
	}
	if _, err := parse([]byte("<html>")); err == nil {
		t.Error("what are no metrics were read")
	}
}

// What an API server counts is its own word: it takes a real one.
func TestScrape(t *testing.T) {
	config := env.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().ComponentStatuses().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	address := at.Host
	if address == "" {
		address = config.Host
	}
	content, err := tenant.ServerMetrics(t.Context(), config, address, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	found, err := parse(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range found {
		if api.Group == "" && api.Version == "v1" && api.Resource == "componentstatuses" && api.Requests == 1 {
			return
		}
	}
	t.Errorf("componentstatuses are missing in %+v", found)
}

func TestKubelets(t *testing.T) {
	var nodes []corev1.Node
	for i := range 12 {
		node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}}
		node.Status.NodeInfo.KubeletVersion = "v1.37.1"
		if i == 3 {
			node.Status.NodeInfo.KubeletVersion = "v1.36.3"
		}
		nodes = append(nodes, node)
	}
	got := kubelets(nodes)
	if len(got) != 2 || got[0].Version != "v1.36.3" || got[0].Count != 1 || got[0].Nodes[0] != "d" || got[1].Count != 11 || len(got[1].Nodes) != namedNodes {
		t.Errorf("got %+v", got)
	}
}

func TestLeft(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	c := NewController(nil, nil, clocktesting.NewFakePassiveClock(now))
	for _, test := range []struct {
		name, asked string
		last        time.Time
		want        time.Duration
	}{
		{"when it was never observed, it is when it has been ready for a while", "", time.Time{}, settled - 10*time.Second},
		{"when it was never observed and is asked for, it is now", "2026-11-25T11:59:59Z", time.Time{}, 0},
		{"when it was observed lately, it is good for a while", "", now.Add(-time.Minute), period - time.Minute},
		{"when another observation was asked for since, it is now", "2026-11-25T11:59:30Z", now.Add(-time.Minute), 0},
		{"when one was asked for before, it is good for a while", "2026-11-25T11:58:00Z", now.Add(-time.Minute), period - time.Minute},
		{"when what was asked is no time, it is good for a while", "soon", now.Add(-time.Minute), period - time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationObserve: test.asked}}}
			cluster.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ClusterReady, LastTransitionTime: metav1.NewTime(now.Add(-10 * time.Second))}}
			cluster.Status.Observations.ObservedAt = metav1.NewTime(test.last)
			if got := c.left(cluster); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
