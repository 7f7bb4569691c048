package publish

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func service(name, port string, age int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(1000-age), 0)),
			Annotations: map[string]string{v1alpha1.AnnotationPublishPort: port}},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "api", Port: 443}}},
	}
}

func from(service *corev1.Service, ranges string) *corev1.Service {
	service.Annotations[v1alpha1.AnnotationPublishFrom] = ranges
	return service
}

func slice(service string, ready bool, addresses ...string) *discoveryv1.EndpointSlice {
	name, port := "api", int32(6443)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		Ports:      []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for _, address := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	return s
}

func TestPlan(t *testing.T) {
	cases := map[string]struct {
		services []*corev1.Service
		slices   []*discoveryv1.EndpointSlice
		ports    map[string]Port
		problems int
	}{
		"when a Service is annotated, its first port's endpoints are published": {
			services: []*corev1.Service{service("front", "6443", 1)},
			slices:   []*discoveryv1.EndpointSlice{slice("front", false, "100.64.0.9"), slice("front", true, "100.64.0.7"), slice("other", true, "100.64.0.8")},
			ports: map[string]Port{"127.0.0.1:6443": {Service: "ns/front", Endpoints: []Endpoint{
				{Address: "100.64.0.7:6443", Ready: true}, {Address: "100.64.0.9:6443"}}}},
		},
		"when a Service has no endpoint yet, its port is held for it": {
			services: []*corev1.Service{service("front", "6443", 1)},
			ports:    map[string]Port{"127.0.0.1:6443": {Service: "ns/front", Endpoints: []Endpoint{}}},
		},
		"when two ask for one port, the older has it": {
			services: []*corev1.Service{service("new", "6443", 1), service("old", "6443", 2)},
			slices:   []*discoveryv1.EndpointSlice{slice("old", true, "100.64.0.7"), slice("new", true, "100.64.0.8")},
			ports:    map[string]Port{"127.0.0.1:6443": {Service: "ns/old", Endpoints: []Endpoint{{Address: "100.64.0.7:6443", Ready: true}}}},
			problems: 1,
		},
		"when the annotation is no port, it is a problem": {
			services: []*corev1.Service{service("front", "http", 1), service("low", "80", 1)},
			ports:    map[string]Port{},
			problems: 2,
		},
		"when a Service says from where, only those may connect": {
			services: []*corev1.Service{from(service("front", "6443", 1), "10.0.0.0/8")},
			ports: map[string]Port{"127.0.0.1:6443": {Service: "ns/front", Endpoints: []Endpoint{},
				Sources: Sources{limited: true, ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}},
		},
		"when what it says is no range, nobody may": {
			services: []*corev1.Service{from(service("front", "6443", 1), "10.0.0.0")},
			ports:    map[string]Port{"127.0.0.1:6443": {Service: "ns/front", Endpoints: []Endpoint{}, Sources: Sources{limited: true}}},
			problems: 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ports, problems := Plan(c.services, c.slices)
			if diff := cmp.Diff(c.ports, ports, cmp.AllowUnexported(Sources{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(problems) != c.problems {
				t.Errorf("got %d problems, want %d: %v", len(problems), c.problems, problems)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	endpoints := []Endpoint{{"a", true}, {"b", false}, {"c", true}}
	if diff := cmp.Diff([]string{"c", "a"}, order(endpoints, 1)); diff != "" {
		t.Errorf("when some are ready, the others are left out and the turn moves on:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, order(endpoints[1:2], 4)); diff != "" {
		t.Errorf("when none is ready, all are tried:\n%s", diff)
	}
	if got := order(nil, 3); len(got) != 0 {
		t.Errorf("when there is none, none is tried: %v", got)
	}
}
