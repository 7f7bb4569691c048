package deps

import (
	"slices"
	"strings"
	"testing"
)

// arrow says what packages must not reach, be it through others of this module.
type arrow struct {
	from   []string
	except []string
	never  []string
	reason string
}

// arrows are those of ARCHITECTURE.md. .golangci.yml has the direct ones, too, for editors.
func arrows() []arrow {
	return []arrow{{
		from: []string{"internal", "api", "test", "bench"}, never: []string{"cmd"},
		reason: "cmd turns flags into options and calls into internal, never the other way round",
	}, {
		from: []string{"api"}, never: []string{"internal", "k8s.io/client-go", "sigs.k8s.io"},
		reason: "whoever writes a client imports api: it brings k8s.io/api and k8s.io/apimachinery only",
	}, {
		from: []string{"internal/kube"}, never: []string{
			"internal/controllers", "internal/controlplane", "internal/standalone", "internal/node", "internal/release",
			"internal/machines", "internal/autoscale", "internal/backend", "internal/platform"},
		reason: "leaves know nouns of Kubernetes, not those of Naru's parts",
	}, {
		from:   []string{"internal/controllers"},
		never:  []string{"internal/eks", "internal/console", "internal/autoscale", "internal/standalone", "internal/backend"},
		reason: "API and controllers meet at the CRDs; the embedded hosting cluster is one of many",
	}, {
		from:   []string{"internal/eks", "internal/iam", "internal/console", "internal/backend"},
		never:  []string{"internal/controllers", "internal/controlplane", "internal/machines", "internal/autoscale"},
		reason: "API and controllers meet at the CRDs: what a front end wants, it writes into a spec",
	}, {
		from:   []string{"internal/iam/policy", "internal/eks/sigv4"},
		never:  []string{"internal/kube", "internal/iam/store", "api", "os", "os/exec", "k8s.io", "sigs.k8s.io", "github.com/aws"},
		reason: "what decides who may do what is pure: values in, values out",
	}, {
		from:   []string{"internal/standalone"},
		never:  []string{"internal/controllers", "internal/controlplane", "internal/autoscale", "internal/machines", "internal/backend"},
		reason: "no product logic in `naru up`: an existing cluster runs the same manifests",
	}, {
		from:   []string{"internal/node"},
		never:  []string{"internal/controllers", "internal/controlplane", "internal/standalone", "internal/release", "internal/machines", "internal/autoscale"},
		reason: "a tenant's node never reaches into the hosting side",
	}, {
		from: []string{"internal", "cmd", "test", "bench"}, except: []string{"internal/autoscale", "cmd"}, never: []string{
			"sigs.k8s.io/karpenter/pkg/cloudprovider", "sigs.k8s.io/karpenter/pkg/controllers", "sigs.k8s.io/karpenter/pkg/operator",
			"sigs.k8s.io/karpenter/pkg/scheduling", "sigs.k8s.io/karpenter/pkg/state"},
		reason: "karpenter's metrics and scheme are global: one process a tenant links it, through internal/autoscale; its API types are anyone's",
	}, {
		from: []string{"internal/controlplane", "internal/upgrade", "internal/autoscale/instancetypes"},
		never: []string{"os/exec", "net/http", "k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic",
			"sigs.k8s.io/controller-runtime/pkg/manager", "internal/kube/apply", "internal/kube/tenant"},
		reason: "it is pure: values in, values out; its callers act",
	}, {
		from: []string{"internal/eks/wire", "internal/eks/errcode", "internal/eks/convert"},
		never: []string{"os/exec", "k8s.io/client-go", "sigs.k8s.io/controller-runtime", "internal/kube/apply", "internal/kube/tenant", "internal/backend",
			"internal/iam"},
		reason: "what bytes mean does not depend on what there is: it is pure",
	}, {
		from: []string{"internal/scorecard"}, never: []string{"internal/controllers", "internal/controlplane", "internal/machines", "internal/autoscale"},
		reason: "an evaluation uses what users use, never what is evaluated",
	}, {
		from: []string{"internal", "cmd", "api"}, except: []string{"internal/machines/conformance"}, never: []string{"test", "testing"},
		reason: "what is shipped does not contain tests",
	}}
}

func TestImports(t *testing.T) {
	graph := parse(t).graph()
	for _, arrow := range arrows() {
		t.Run(strings.Join(arrow.from, ",")+" never "+strings.Join(arrow.never, ","), func(t *testing.T) {
			for name := range graph {
				if !within(name, arrow.from...) || within(name, arrow.except...) {
					continue
				}
				if way := reach(graph, name, arrow.never); way != nil {
					t.Errorf("%s: %s", strings.Join(way, " → "), arrow.reason)
				}
			}
		})
	}
}

// reach returns the shortest way, through this module's packages, from a package to one of the
// forbidden folders; nil when there is none.
func reach(graph map[string][]string, from string, never []string) []string {
	ways, seen := [][]string{{from}}, map[string]bool{from: true}
	for len(ways) > 0 {
		way := ways[0]
		ways = ways[1:]
		for _, next := range graph[way[len(way)-1]] {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(way), next)
			if within(next, never...) {
				return longer
			}
			ways = append(ways, longer)
		}
	}
	return nil
}

func TestReach(t *testing.T) {
	graph := map[string][]string{"a": {"b", "fmt"}, "b": {"c"}, "c": {"a", "d/e"}}
	for _, test := range []struct {
		name, never string
		want        []string
	}{
		{"when a package is imported by others on the way, it gives the way", "d", []string{"a", "b", "c", "d/e"}},
		{"when a package is not imported, it gives none", "x", nil},
		{"when a folder's name only begins alike, it gives none", "f", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := reach(graph, "a", []string{test.never}); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
