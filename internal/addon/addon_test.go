package addon

import (
	"errors"
	"strings"
	"testing"

	"naru.dev/naru/api/v1alpha1"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, addon, text string
		// want is a part of the error; empty: there is none.
		want string
	}{
		{"when nothing is configured, it is right", "coredns", "  ", ""},
		{"when it is JSON, it is read", "coredns", `{"replicaCount":3,"resources":{"limits":{"memory":"200Mi"},"requests":{"cpu":1}}}`, ""},
		{"when it is YAML, it is read", "metrics-server", "replicas: 2\npodDisruptionBudget: {enabled: true, maxUnavailable: 50%}\n", ""},
		{"when a property is not in the schema, it is named", "coredns", `{"replicas":3}`, "$: additional properties 'replicas' not allowed"},
		{"when a property of a property is not, it is named", "coredns", `{"resources":{"limits":{"gpu":"1"}}}`, "$.resources.limits: additional properties 'gpu' not allowed"},
		{"when a value has another type, its property is named", "coredns", `{"replicaCount":"three"}`, "$.replicaCount: got string, want integer"},
		{"when a value is too small, its property is named", "coredns", `{"replicaCount":0}`, "$.replicaCount: minimum: got 0, want 1"},
		{"when a quantity is none, its property is named", "metrics-server", `{"resources":{"limits":{"cpu":"much"}}}`, "$.resources.limits.cpu"},
		{"when a pod's own fields are wrong, Kubernetes' types say so", "coredns", `{"affinity":{"nodeAffinity":{"needed":1}}}`, `unknown field "needed"`},
		{"when both ends of a budget are given, it is refused", "coredns", `{"podDisruptionBudget":{"minAvailable":1,"maxUnavailable":1}}`, "$.podDisruptionBudget"},
		{"when it takes away the label that pods are found by, it is refused", "coredns", `{"podLabels":{"k8s-app":"other"}}`, "$.podLabels"},
		{"when it is no object, it is refused", "coredns", `[1]`, "$: got array, want object"},
		{"when a key is there twice, it is refused", "coredns", "replicaCount: 1\nreplicaCount: 2", "already set in map"},
		{"when it is neither JSON nor YAML, it is refused", "coredns", `{`, "neither JSON nor YAML"},
		{"when there is nothing to configure, every property is refused", "kube-proxy", `{"mode":"ipvs"}`, "additional properties 'mode' not allowed"},
		{"when network policies are to be on, they are", "vpc-cni", `{"enableNetworkPolicy":"true"}`, ""},
		{"when they are to be off, it is refused", "vpc-cni", `{"enableNetworkPolicy":"false"}`, "$.enableNetworkPolicy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, ok := Find(test.addon)
			if !ok {
				t.Fatal("there is no such add-on")
			}
			_, err := a.Parse(test.text)
			refused := new(InvalidError)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	release := v1alpha1.ReleaseSpec{Version: "1.37.1", Images: map[string]string{"coredns": "registry.naru.local:5000/coredns:v1.14.0", "metrics-server": "registry:5000/metrics-server"}}
	for name, want := range map[string]string{"coredns": "v1.14.0-naru.1", "kube-proxy": "v1.37.1-naru.1", "metrics-server": "v1.37.1-naru.1"} {
		if a, _ := Find(name); a.Version(release) != want {
			t.Errorf("%s has version %s, want %s", name, a.Version(release), want)
		}
	}
}

func TestEverySchema(t *testing.T) {
	for _, a := range All() {
		if _, err := a.Parse("{}"); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
	}
}
