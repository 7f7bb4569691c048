package convert

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func observations(change ...func(*v1alpha1.ClusterObservations)) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Status.Observations = v1alpha1.ClusterObservations{ObservedAt: metav1.NewTime(noon), APIServers: 3, Answered: 3}
		for _, f := range change {
			f(&c.Status.Observations)
		}
	}
}

func api(group, version, resource, removed string) func(*v1alpha1.ClusterObservations) {
	return func(o *v1alpha1.ClusterObservations) {
		o.DeprecatedAPIs = append(o.DeprecatedAPIs, v1alpha1.DeprecatedAPI{Group: group, Version: version, Resource: resource, RemovedRelease: removed, Replacement: "/apis/x/v1/y", ReplacementSince: "1.30"})
	}
}

func kubelet(version string, nodes ...string) func(*v1alpha1.ClusterObservations) {
	return func(o *v1alpha1.ClusterObservations) {
		o.Kubelets = append(o.Kubelets, v1alpha1.KubeletVersion{Version: version, Count: int32(len(nodes)), Nodes: nodes})
	}
}

func TestReadiness(t *testing.T) {
	const deprecations, kubelets, proxies, addons = "Deprecated APIs removed in Kubernetes v1.38", "Kubelet version skew", "kube-proxy version skew", "EKS add-on version compatibility"
	const release, rollback, stored = "Release to roll back to", "Kubelet version for a rollback", "Stored objects for a rollback"
	never := func(*v1alpha1.Cluster) {}
	half := func(o *v1alpha1.ClusterObservations) { o.Answered, o.APIProblem = 2, "asking API server b: refused" }
	blind := func(o *v1alpha1.ClusterObservations) { o.NodesProblem = "listing nodes: refused" }
	for _, test := range []struct {
		reason, insight string
		seen            func(*v1alpha1.Cluster)
		want            types.InsightStatusValue
		text            string
	}{
		{"when nothing was observed, nothing is known of requests", deprecations, never, types.InsightStatusValueUnknown, "not observed yet"},
		{"when no deprecated API was requested, it passes", deprecations, observations(), types.InsightStatusValuePassing, "0 deprecated"},
		{"when one was that is never removed, it passes", deprecations, observations(api("", "v1", "endpoints", "")), types.InsightStatusValuePassing, "1 deprecated"},
		{"when one was that the next version has not, it is an error", deprecations, observations(api("g", "v1beta1", "r", "1.38"), half), types.InsightStatusValueError, "1 APIs"},
		{"when one was that a later version has not, it is a warning", deprecations, observations(api("g", "v1beta1", "r", "1.40")), types.InsightStatusValueWarning, "after v1.38"},
		{"when an API server did not answer, it is not known", deprecations, observations(half), types.InsightStatusValueUnknown, "2 of 3 API servers answered: asking API server b"},
		{"when there was no API server to ask, it is not known", deprecations, observations(func(o *v1alpha1.ClusterObservations) { o.APIServers, o.Answered = 0, 0 }), types.InsightStatusValueUnknown, "none to ask"},
		{"when kubelets have the cluster's version, it passes", kubelets, observations(kubelet("v1.37.1", "a")), types.InsightStatusValuePassing, "1 nodes have v1.37.1"},
		{"when a kubelet is two older, it is a warning", kubelets, observations(kubelet("v1.35.0", "a"), kubelet("v1.37.1", "b")), types.InsightStatusValueWarning, "1 nodes have v1.35.0"},
		{"when a kubelet is three older, it is an error", kubelets, observations(kubelet("v1.37.1", "b"), kubelet("v1.34.9", "a")), types.InsightStatusValueError, "too old"},
		{"when a kubelet says no version, it is not known", kubelets, observations(kubelet("", "a")), types.InsightStatusValueUnknown, "no version"},
		{"when nodes could not be listed, it is not known", kubelets, observations(blind), types.InsightStatusValueUnknown, "listing nodes"},
		{"when there are no nodes, it passes", proxies, observations(), types.InsightStatusValuePassing, "no nodes"},
		{"when a node is three older, so is its kube-proxy", proxies, observations(kubelet("v1.34.9", "a")), types.InsightStatusValueError, "kube-proxies are too old"},
		{"when the next release is not here, its add-ons are not known", addons, never, types.InsightStatusValueUnknown, "no release 1.38"},
		{"when the version before is here, there is one to go back to", release, never, types.InsightStatusValuePassing, "release 1.36"},
		{"when kubelets have the cluster's version, they would be too new", rollback, observations(kubelet("v1.37.1", "a")), types.InsightStatusValueError, "newer than"},
		{"when kubelets have the version before, they stay", rollback, observations(kubelet("v1.36.3", "a")), types.InsightStatusValuePassing, "take them"},
		{"when nobody looks at what is stored, that is told", stored, observations(), types.InsightStatusValueUnknown, "not observed"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c := cluster(1, 1, test.seen)
			c.Spec.Version = "1.37"
			got := find(t, site.Insights(Facts{Cluster: c, Releases: []v1alpha1.Release{{ObjectMeta: metav1.ObjectMeta{Name: "1.36"}}, {ObjectMeta: metav1.ObjectMeta{Name: "1.37"}}}, Now: noon}), test.insight)
			if got.InsightStatus.Status != test.want || !strings.Contains(*got.InsightStatus.Reason, test.text) {
				t.Errorf("got %s: %s; want %s: %s", got.InsightStatus.Status, *got.InsightStatus.Reason, test.want, test.text)
			}
		})
	}
}

func find(t *testing.T, all []types.Insight, name string) types.Insight {
	t.Helper()
	for _, i := range all {
		if *i.Name == name {
			return i
		}
	}
	t.Fatalf("there is no insight %q", name)
	return types.Insight{}
}

func TestInsightDetails(t *testing.T) {
	c := cluster(1, 1, observations(api("flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas", "1.38"), api("", "v1", "endpoints", ""), kubelet("v1.34.0", "old"), kubelet("v1.37.1", "new")))
	c.Spec.Version = "1.37"
	releases := []v1alpha1.Release{{ObjectMeta: metav1.ObjectMeta{Name: "1.38"}, Spec: v1alpha1.ReleaseSpec{Version: "1.38.0"}}}
	all := site.Insights(Facts{Cluster: c, Releases: releases, Now: noon})
	details := find(t, all, "Deprecated APIs removed in Kubernetes v1.38").CategorySpecificSummary.DeprecationDetails
	if len(details) != 2 || *details[0].Usage != "/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas" || *details[0].StopServingVersion != "1.38" || *details[0].ReplacedWith != "/apis/x/v1/y" ||
		*details[0].StartServingReplacementVersion != "1.30" || *details[1].Usage != "/api/v1/endpoints" || details[1].StopServingVersion != nil {
		t.Errorf("got %+v", details)
	}
	skew := find(t, all, "Kubelet version skew")
	if len(skew.Resources) != 2 || *skew.Resources[0].KubernetesResourceUri != "/api/v1/nodes/old" || skew.Resources[0].InsightStatus.Status != types.InsightStatusValueError ||
		skew.Resources[1].InsightStatus.Status != types.InsightStatusValuePassing || !skew.LastRefreshTime.Equal(noon) || *skew.KubernetesVersion != "1.38" {
		t.Errorf("got %+v", skew)
	}
	versions := find(t, all, "EKS add-on version compatibility").CategorySpecificSummary.AddonCompatibilityDetails
	if len(versions) != 5 || aws.ToString(versions[2].Name) != "kube-proxy" || versions[2].CompatibleVersions[0] != "v1.38.0-naru.1" {
		t.Errorf("got %+v", versions)
	}
	ids := map[string]bool{}
	for _, i := range all {
		if ids[*i.Id] || *i.Recommendation == "" || *i.Description == "" {
			t.Errorf("insight %s has no id of its own, no description or no recommendation", *i.Name)
		}
		ids[*i.Id] = true
	}
}
