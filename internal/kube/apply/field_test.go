package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestWithout(t *testing.T) {
	const object = `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {replicas: 2, finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`
	for _, test := range []struct{ name, path, want string }{
		{"when it is a field, it goes", ".spec.replicas", `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`},
		{"when a name has dots, it is the one that the object has", ".metadata.labels.app.kubernetes.io/name", `{metadata: {labels: {app: a}}, spec: {replicas: 2, finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`},
		{"when it is within an element, the element stays", `.spec.containers[name="coredns"].resources.limits.cpu`, `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {replicas: 2, finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`},
		{"when an element has two keys, both count", `.spec.ports[port=53,protocol="TCP"].name`, `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {replicas: 2, finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`},
		{"when a key is left to its default, the element is found", `.spec.containers[name="coredns"].ports[containerPort=9153,protocol="TCP"].name`, `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {replicas: 2, finalizers: [x, y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153}]}]}}`},
		{"when it is a value of a set, that goes", `.spec.finalizers[="x"]`, `{metadata: {labels: {app: a, app.kubernetes.io/name: b}}, spec: {replicas: 2, finalizers: [y], ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP, name: tcp}],
  containers: [{name: other, image: i}, {name: coredns, image: j, resources: {limits: {cpu: "1", memory: 1Mi}}, ports: [{containerPort: 9153, name: metrics}]}]}}`},
		{"when there is no such field, nothing goes", ".spec.paused", ""},
		{"when there is no such element, nothing goes", `.spec.containers[name="third"].image`, ""},
		{"when it is no path, nothing goes", "spec", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, want map[string]any
			expected := test.want
			if expected == "" {
				expected = object
			}
			for text, into := range map[string]*map[string]any{object: &before} {
				if err := yaml.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if err := yaml.Unmarshal([]byte(expected), &want); err != nil {
				t.Fatal(err)
			}
			if got := without(before, test.path); got != (test.want != "") {
				t.Errorf("it was found: %v", got)
			}
			if diff := cmp.Diff(want, before); diff != "" {
				t.Error(diff)
			}
		})
	}
}
