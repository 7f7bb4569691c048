package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
)

const (
	// maxKubeletSkew is how many minor versions a kubelet may be older than its API server, and kube-proxy, too.
	// https://kubernetes.io/releases/version-skew-policy/
	maxKubeletSkew = 3
	// skewPolicy is where that stands.
	skewPolicy = "https://kubernetes.io/releases/version-skew-policy/"

	notObserved = "The cluster was not observed yet: StartInsightsRefresh observes it."
)

// minor is the number of a minor version, of "1.37", "1.37.1" or "v1.37.1"; 0: it is none.
func minor(version string) int {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return 0
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return n
}

func version(minor int) string { return fmt.Sprintf("1.%d", minor) }

// next and previous are the versions that the cluster could become.
func (f Facts) next() string     { return version(minor(f.Cluster.Spec.Version) + 1) }
func (f Facts) previous() string { return version(minor(f.Cluster.Spec.Version) - 1) }

func (f Facts) release(name string) *v1alpha1.Release {
	i := slices.IndexFunc(f.Releases, func(r v1alpha1.Release) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Releases[i]
}

// deprecated tells of requests for APIs that the next version no longer serves.
func deprecated(facts Facts) finding {
	seen, next := facts.Cluster.Status.Observations, facts.next()
	f := finding{
		name: "Deprecated APIs removed in Kubernetes v" + next, category: types.CategoryUpgradeReadiness, version: next, refreshed: seen.ObservedAt.Time,
		description:    "Tells whether APIs were requested that Kubernetes v" + next + " no longer serves, from any API server since it started.",
		recommendation: "Change the clients to the APIs that replace them before the version is changed.",
		info:           map[string]string{"Kubernetes deprecation guide": "https://kubernetes.io/docs/reference/using-api/deprecation-guide/"},
		status:         types.InsightStatusValuePassing, summary: &types.InsightCategorySpecificSummary{},
	}
	removed, later := 0, 0
	for _, api := range seen.DeprecatedAPIs {
		f.summary.DeprecationDetails = append(f.summary.DeprecationDetails, deprecation(api))
		switch {
		case api.RemovedRelease == "":
		case minor(api.RemovedRelease) <= minor(next):
			removed++
		default:
			later++
		}
	}
	f.reason = fmt.Sprintf("%d deprecated APIs were requested; Kubernetes v%s serves all of them.", len(seen.DeprecatedAPIs), next)
	switch {
	case removed > 0:
		f.status, f.reason = types.InsightStatusValueError, fmt.Sprintf("%d APIs were requested that Kubernetes v%s no longer serves.", removed, next)
	case seen.ObservedAt.IsZero():
		f.status, f.reason = types.InsightStatusValueUnknown, notObserved
	case seen.Answered < seen.APIServers || seen.APIServers == 0:
		f.status = types.InsightStatusValueUnknown
		f.reason = fmt.Sprintf("%d of %d API servers answered: %s", seen.Answered, seen.APIServers, first(seen.APIProblem, "there was none to ask"))
	case later > 0:
		f.status, f.reason = types.InsightStatusValueWarning, fmt.Sprintf("%d APIs were requested that a version after v%s no longer serves.", later, next)
	}
	return f
}

// deprecation is one API. Who requested it is not known: API servers count requests, not clients.
func deprecation(api v1alpha1.DeprecatedAPI) types.DeprecationDetail {
	usage := "/apis/" + api.Group + "/" + api.Version + "/" + api.Resource
	if api.Group == "" {
		usage = "/api/" + api.Version + "/" + api.Resource
	}
	return types.DeprecationDetail{Usage: aws.String(usage), ReplacedWith: optional(api.Replacement), StopServingVersion: optional(api.RemovedRelease),
		StartServingReplacementVersion: optional(api.ReplacementSince), ClientStats: []types.ClientStat{}}
}

// kubelets tells whether the kubelets may be as old as they are once the API servers are newer.
func (s Site) kubelets(facts Facts) finding {
	f := s.skew(facts, "Kubelet version skew", "kubelets")
	f.description = "Tells whether nodes' kubelets are new enough for API servers of Kubernetes v" + facts.next() + "."
	return f
}

// proxies tells the same of kube-proxy, which comes with a node's kubelet and starts in its version.
func (s Site) proxies(facts Facts) finding {
	f := s.skew(facts, "kube-proxy version skew", "kube-proxies")
	f.description = "Tells whether nodes' kube-proxies are new enough for API servers of Kubernetes v" + facts.next() + ". Both are in a node's image, in one version: the one that its kubelet tells."
	return f
}

func (s Site) skew(facts Facts, name, what string) finding {
	seen, own := facts.Cluster.Status.Observations, minor(facts.Cluster.Spec.Version)
	f := finding{
		name: name, category: types.CategoryUpgradeReadiness, version: facts.next(), refreshed: seen.ObservedAt.Time,
		recommendation: "Update the node groups before the version is changed.", info: map[string]string{"Kubernetes version skew policy": skewPolicy},
	}
	return s.judge(f, facts, func(kubelet int) (types.InsightStatusValue, string) {
		switch old := own - kubelet; {
		case old >= maxKubeletSkew:
			return types.InsightStatusValueError, fmt.Sprintf("the %s are too old for API servers of Kubernetes v%s", what, facts.next())
		case old == maxKubeletSkew-1:
			return types.InsightStatusValueWarning, fmt.Sprintf("the %s are as old as API servers of Kubernetes v%s allow", what, facts.next())
		}
		return types.InsightStatusValuePassing, fmt.Sprintf("the %s may be that old", what)
	})
}

// judge looks at each version of kubelets, names its nodes, and tells the worst.
func (s Site) judge(f finding, facts Facts, one func(kubelet int) (types.InsightStatusValue, string)) finding {
	seen := facts.Cluster.Status.Observations
	switch {
	case seen.ObservedAt.IsZero():
		f.status, f.reason = types.InsightStatusValueUnknown, notObserved
		return f
	case seen.NodesProblem != "":
		f.status, f.reason = types.InsightStatusValueUnknown, seen.NodesProblem
		return f
	}
	f.status, f.reason = types.InsightStatusValuePassing, "There are no nodes."
	order := []types.InsightStatusValue{types.InsightStatusValuePassing, types.InsightStatusValueUnknown, types.InsightStatusValueWarning, types.InsightStatusValueError}
	for i, kubelet := range seen.Kubelets {
		number := minor(kubelet.Version)
		status, why := types.InsightStatusValueUnknown, "that is no version"
		if number > 0 {
			status, why = one(number)
		}
		reason := fmt.Sprintf("%d nodes have %s: %s.", kubelet.Count, kubelet.Version, why)
		if i == 0 || slices.Index(order, status) > slices.Index(order, f.status) {
			f.status, f.reason = status, reason
		}
		for _, node := range kubelet.Nodes {
			f.resources = append(f.resources, types.InsightResourceDetail{KubernetesResourceUri: aws.String("/api/v1/nodes/" + node), InsightStatus: &types.InsightStatus{Status: status, Reason: aws.String(reason)}})
		}
	}
	return f
}

// compatible tells which versions of the cluster's add-ons the next version has.
func compatible(facts Facts) finding {
	next := facts.next()
	f := finding{
		name: "EKS add-on version compatibility", category: types.CategoryUpgradeReadiness, version: next,
		description:    "Tells whether there are versions of the cluster's add-ons for Kubernetes v" + next + ".",
		recommendation: "Build the release with 'naru release build " + next + "' before the version is changed.",
		status:         types.InsightStatusValueUnknown, reason: "This Naru has no release " + next + ", so that it is not known which add-ons it has.",
	}
	release := facts.release(next)
	if release == nil {
		return f
	}
	f.status, f.summary = types.InsightStatusValuePassing, &types.InsightCategorySpecificSummary{}
	for _, a := range addon.All() {
		f.summary.AddonCompatibilityDetails = append(f.summary.AddonCompatibilityDetails, types.AddonCompatibilityDetail{Name: aws.String(a.Name), CompatibleVersions: []string{a.Version(release.Spec)}})
	}
	f.reason = fmt.Sprintf("Release %s has all %d add-ons.", next, len(f.summary.AddonCompatibilityDetails))
	return f
}

// rollbackRelease tells whether there is a version to go back to.
func rollbackRelease(facts Facts) finding {
	previous := facts.previous()
	f := finding{
		name: "Release to roll back to", category: types.CategoryRollbackReadiness, version: previous,
		description: "Tells whether this Naru has the version before the cluster's own.", recommendation: "Build the release with 'naru release build " + previous + "'.",
		status: types.InsightStatusValuePassing, reason: "This Naru has release " + previous + ".",
	}
	if facts.release(previous) == nil {
		f.status, f.reason = types.InsightStatusValueError, "This Naru has no release "+previous+"."
	}
	return f
}

// rollbackNodes tells whether kubelets are newer than the API servers would be, which they must never be.
func (s Site) rollbackNodes(facts Facts) finding {
	previous := facts.previous()
	f := finding{
		name: "Kubelet version for a rollback", category: types.CategoryRollbackReadiness, version: previous, refreshed: facts.Cluster.Status.Observations.ObservedAt.Time,
		description: "Tells whether nodes' kubelets are old enough for API servers of Kubernetes v" + previous + ".", recommendation: "Give the nodes the older version before the cluster has it.",
		info: map[string]string{"Kubernetes version skew policy": skewPolicy},
	}
	return s.judge(f, facts, func(kubelet int) (types.InsightStatusValue, string) {
		if kubelet > minor(previous) {
			return types.InsightStatusValueError, "they would be newer than API servers of Kubernetes v" + previous
		}
		return types.InsightStatusValuePassing, "API servers of Kubernetes v" + previous + " take them"
	})
}

// rollbackObjects is what nobody looks at yet.
func rollbackObjects() finding {
	return finding{
		name: "Stored objects for a rollback", category: types.CategoryRollbackReadiness,
		description: "Tells whether every object is stored in a version that the version before the cluster's own can read.", recommendation: "Look for objects of APIs that the cluster's own version introduced.",
		status: types.InsightStatusValueUnknown, reason: "Which versions objects are stored in is not observed: etcd is not read for it.",
	}
}
