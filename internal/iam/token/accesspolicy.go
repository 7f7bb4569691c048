package token

import (
	"maps"
	"slices"
	"strings"

	"naru.dev/naru/internal/iam/policy"
)

// Attributes are what somebody wants to do in a cluster, as the API server asks its authorizers.
type Attributes struct {
	Verb string
	// Group, Resource, Subresource and Namespace of a request for a resource.
	Group, Resource, Subresource, Namespace string
	// Path of any other request; then all of the above but Verb are empty.
	Path string
}

// rule allows verbs on resources, as RBAC's rules do. A resource with a subresource is written as pods/log.
type rule struct {
	groups, resources, verbs []string
	paths                    bool
}

func (r rule) allows(a Attributes) bool {
	has := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	if !has(r.verbs, a.Verb) {
		return false
	}
	if a.Path != "" {
		return r.paths
	}
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return has(r.groups, a.Group) && has(r.resources, resource)
}

// accessPolicies are EKS's for people and programs, by name, with the rules of
// https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
func accessPolicies() map[string][]rule {
	view := viewRules()
	edit := append(slices.Clone(view), editRules()...)
	everything := []string{"*"}
	return map[string][]rule{
		"AmazonEKSClusterAdminPolicy": {{groups: everything, resources: everything, verbs: everything, paths: true}},
		"AmazonEKSAdminPolicy": append(slices.Clone(edit),
			allow("rbac.authorization.k8s.io", "get list watch create delete deletecollection patch update", "rolebindings roles"),
			allow("authorization.k8s.io", "create", "localsubjectaccessreviews")),
		"AmazonEKSEditPolicy":         edit,
		"AmazonEKSViewPolicy":         view,
		"AmazonEKSAdminViewPolicy":    {{groups: everything, resources: everything, verbs: strings.Fields(read3)}},
		"AmazonEKSSecretReaderPolicy": {allow("", read3, "secrets")},
	}
}

// rules are made once: an API server asks for each request that RBAC does not allow.
var rules = accessPolicies()

// AccessPolicies are the names of the policies that an entry can have, in order.
func AccessPolicies() []string { return slices.Sorted(maps.Keys(rules)) }

// read3 and write5 are the verbs that go together.
const (
	read3  = "get list watch"
	write5 = "create delete deletecollection patch update"
)

func allow(group, verbs, resources string) rule {
	return rule{groups: []string{group}, resources: strings.Fields(resources), verbs: strings.Fields(verbs)}
}

func viewRules() []rule {
	return []rule{
		allow("", read3, `bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims
			persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale
			replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status`),
		allow("apps", read3, `controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status
			replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status`),
		allow("autoscaling", read3, "horizontalpodautoscalers horizontalpodautoscalers/status"),
		allow("batch", read3, "cronjobs cronjobs/status jobs jobs/status"),
		allow("discovery.k8s.io", read3, "endpointslices"),
		allow("extensions", read3, `daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses
			ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale`),
		allow("networking.k8s.io", read3, "ingresses ingresses/status networkpolicies"),
		allow("policy", read3, "poddisruptionbudgets poddisruptionbudgets/status"),
	}
}

// editRules are what editors may do that viewers may not.
func editRules() []rule {
	return []rule{
		allow("", read3, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
		allow("", write5, `configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy
			replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy`),
		allow("", "impersonate", "serviceaccounts"),
		allow("apps", write5, `daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale
			statefulsets statefulsets/scale`),
		allow("autoscaling", write5, "horizontalpodautoscalers"),
		allow("batch", write5, "cronjobs jobs"),
		allow("extensions", write5, `daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies
			replicasets replicasets/scale replicationcontrollers/scale`),
		allow("networking.k8s.io", write5, "ingresses networkpolicies"),
		allow("policy", write5, "poddisruptionbudgets"),
	}
}

// AllowedBy tells which of an entry's policies allows something; empty where none does. A policy that is bound to
// namespaces says nothing of requests that are in none.
func AllowedBy(associations []Association, a Attributes) string {
	for _, association := range associations {
		if !inScope(association, a) {
			continue
		}
		if slices.ContainsFunc(rules[association.Policy], func(r rule) bool { return r.allows(a) }) {
			return association.Policy
		}
	}
	return ""
}

func inScope(association Association, a Attributes) bool {
	if len(association.Namespaces) == 0 {
		return true
	}
	return a.Namespace != "" && slices.ContainsFunc(association.Namespaces, func(pattern string) bool {
		return policy.Like(pattern, a.Namespace)
	})
}
