package observation

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/tenant"
)

// What API servers call what is observed here. Both are stable names of Kubernetes:
// https://kubernetes.io/docs/reference/instrumentation/metrics/
const (
	deprecatedMetric = "apiserver_requested_deprecated_apis"
	requestsMetric   = "apiserver_request_total"
)

// apis asks each API server by itself: behind the front one of them answers, and each counts only what it was asked.
func (c *Controller) apis(ctx context.Context, cluster *v1alpha1.Cluster, config *rest.Config, seen *v1alpha1.ClusterObservations) {
	pods := &corev1.PodList{}
	err := c.hosting.List(ctx, pods, client.InNamespace(v1alpha1.Namespace(cluster.Name)), client.MatchingLabels{v1alpha1.LabelComponent: apiserver.Name})
	if err != nil {
		seen.APIProblem = fmt.Sprintf("listing API servers: %s", err)
		return
	}
	var mu sync.Mutex
	var all []v1alpha1.DeprecatedAPI
	group := errgroup.Group{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp != nil || pod.Status.PodIP == "" {
			continue
		}
		seen.APIServers++
		group.Go(func() error {
			content, err := tenant.ServerMetrics(ctx, config, apiserver.Address(pod), pki.APIServerHost(pod.Namespace))
			var found []v1alpha1.DeprecatedAPI
			if err == nil {
				found, err = parse(content)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				seen.APIProblem = fmt.Sprintf("asking API server %s: %s", pod.Name, err)
				return nil
			}
			seen.Answered++
			all = append(all, found...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		seen.APIProblem = err.Error()
	}
	seen.DeprecatedAPIs = merge(all)
}

// parse finds the deprecated APIs in the metrics of an API server, and how often each was requested.
func parse(content []byte) ([]v1alpha1.DeprecatedAPI, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	requests := map[v1alpha1.DeprecatedAPI]int64{}
	for _, metric := range families[requestsMetric].GetMetric() {
		labels := labelsOf(metric)
		requests[v1alpha1.DeprecatedAPI{Group: labels["group"], Version: labels["version"], Resource: labels["resource"]}] += int64(metric.GetCounter().GetValue())
	}
	var all []v1alpha1.DeprecatedAPI
	for _, metric := range families[deprecatedMetric].GetMetric() {
		labels := labelsOf(metric)
		api := v1alpha1.DeprecatedAPI{Group: labels["group"], Version: labels["version"], Resource: labels["resource"]}
		count := requests[api]
		api.RemovedRelease, api.Requests = labels["removed_release"], count
		replace(&api)
		all = append(all, api)
	}
	return mergeSubresources(all), nil
}

func labelsOf(metric *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, label := range metric.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	return labels
}

// mergeSubresources leaves one of each resource: the requests were counted with those of its subresources.
func mergeSubresources(all []v1alpha1.DeprecatedAPI) []v1alpha1.DeprecatedAPI {
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(a, b v1alpha1.DeprecatedAPI) bool { return compare(a, b) == 0 })
}

// merge adds up what several API servers saw.
func merge(all []v1alpha1.DeprecatedAPI) []v1alpha1.DeprecatedAPI {
	slices.SortFunc(all, compare)
	var merged []v1alpha1.DeprecatedAPI
	for _, api := range all {
		if n := len(merged); n > 0 && compare(merged[n-1], api) == 0 {
			merged[n-1].Requests += api.Requests
			continue
		}
		merged = append(merged, api)
	}
	return merged
}

func compare(a, b v1alpha1.DeprecatedAPI) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Resource, b.Resource))
}

// kubelets sorts nodes by the version of their kubelets.
func kubelets(nodes []corev1.Node) []v1alpha1.KubeletVersion {
	var all []v1alpha1.KubeletVersion
	for i := range nodes {
		version := nodes[i].Status.NodeInfo.KubeletVersion
		at := slices.IndexFunc(all, func(k v1alpha1.KubeletVersion) bool { return k.Version == version })
		if at < 0 {
			at = len(all)
			all = append(all, v1alpha1.KubeletVersion{Version: version})
		}
		if all[at].Count++; all[at].Count <= namedNodes {
			all[at].Nodes = append(all[at].Nodes, nodes[i].Name)
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.KubeletVersion) int { return cmp.Compare(a.Version, b.Version) })
	return all
}
