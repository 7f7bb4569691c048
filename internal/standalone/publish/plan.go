package publish

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"naru.dev/naru/api/v1alpha1"
)

// Port is what is published at one loopback address.
type Port struct {
	// Service is whose port it is, namespace/name.
	Service   string
	Endpoints []Endpoint
	Sources   Sources
}

// Plan says which loopback addresses are published, where each leads and to whom it is open: the
// annotated Services' first ports, with the endpoints of their slices. Two
// Services that ask for one port: the older keeps it, the other is a problem.
// A Service whose sources can't be read is open to nobody.
func Plan(services []*corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) (ports map[string]Port, problems map[string]string) {
	ports, problems = map[string]Port{}, map[string]string{}
	sorted := slices.Clone(services)
	slices.SortFunc(sorted, func(a, b *corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	for _, service := range sorted {
		value, asked := service.Annotations[v1alpha1.AnnotationPublishPort]
		if !asked || service.DeletionTimestamp != nil {
			continue
		}
		name := service.Namespace + "/" + service.Name
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port < 1024 || len(service.Spec.Ports) == 0 {
			problems[name] = fmt.Sprintf("Service %s: %s %q is not a port between 1024 and 65535", name, v1alpha1.AnnotationPublishPort, value)
			continue
		}
		address := net.JoinHostPort("127.0.0.1", value)
		if _, taken := ports[address]; taken {
			problems[name] = fmt.Sprintf("Service %s: %s is published by an older Service", name, address)
			continue
		}
		planned := Port{Service: name, Endpoints: endpointsOf(service, endpointSlices)}
		if from, limited := service.Annotations[v1alpha1.AnnotationPublishFrom]; limited {
			if planned.Sources, err = ParseSources(from); err != nil {
				problems[name] = fmt.Sprintf("Service %s: %s: %s", name, v1alpha1.AnnotationPublishFrom, err)
			}
		}
		ports[address] = planned
	}
	return ports, problems
}

func endpointsOf(service *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) []Endpoint {
	list := []Endpoint{}
	for _, slice := range endpointSlices {
		if slice.Namespace != service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != service.Name {
			continue
		}
		port := portNamed(slice.Ports, service.Spec.Ports[0].Name)
		if port == 0 {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
				list = append(list, Endpoint{Address: net.JoinHostPort(address, strconv.Itoa(int(port))), Ready: ready})
			}
		}
	}
	slices.SortFunc(list, func(a, b Endpoint) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

// portNamed returns 0 when the slice lacks the port, as one with no endpoint may.
func portNamed(ports []discoveryv1.EndpointPort, name string) int32 {
	for _, port := range ports {
		if port.Port != nil && (port.Name == nil && name == "" || port.Name != nil && *port.Name == name) {
			return *port.Port
		}
	}
	return 0
}
