package tier

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestTiers(t *testing.T) {
	var got []string
	for _, each := range All() {
		reading, changing := each.Inflight(3)
		got = append(got, fmt.Sprintf("%s: %d seats (%d+%d a server), %d pods/s, %d GB, API server %s/%s of %s/%s, Go %s", each.Name, each.Seats, reading, changing,
			each.PodsPerSecond, each.DatabaseGB, each.APIServer.CPU(), each.APIServer.Memory(), each.APIServer.CPULimit(), each.APIServer.MemoryLimit(), each.APIServer.GoMemory()))
	}
	want := []string{
		"standard: 0 seats (0+0 a server), 0 pods/s, 2 GB, API server 50m/256Mi of 4/1536Mi, Go 1200MiB",
		"tier-xl: 1700 seats (567+283 a server), 167 pods/s, 16 GB, API server 100m/512Mi of 8/3Gi, Go 2400MiB",
		"tier-2xl: 3400 seats (1134+566 a server), 283 pods/s, 16 GB, API server 200m/1Gi of 16/6Gi, Go 4800MiB",
		"tier-4xl: 6800 seats (2267+1133 a server), 400 pods/s, 16 GB, API server 400m/2Gi of 32/12Gi, Go 9600MiB",
		"tier-8xl: 13600 seats (4534+2266 a server), 400 pods/s, 16 GB, API server 800m/4Gi of 64/24Gi, Go 19200MiB",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOf(t *testing.T) {
	for name, want := range map[string]struct {
		tier string
		ok   bool
	}{"": {Standard, true}, "standard": {Standard, true}, "tier-4xl": {XL4, true}, "tier-3xl": {Standard, false}} {
		if got, ok := Of(name); got.Name != want.tier || ok != want.ok {
			t.Errorf("%q is %s, %v", name, got.Name, ok)
		}
	}
}

func amount(milliCPU, mib int64) Amount { return Amount{milliCPU, mib * mebibyte} }

func TestLacking(t *testing.T) {
	etcd := func(each Amount) Part { return Part{Name: "etcd", Replicas: 3, Each: each, InPlace: true} }
	servers := func(n int, each Amount) Part { return Part{Name: "kube-apiserver", Replicas: n, Each: each} }
	pods := func(part string, has Amount, hosts ...string) (all []Pod) {
		for _, host := range hosts {
			all = append(all, Pod{part, host, has})
		}
		return all
	}
	for name, c := range map[string]struct {
		free  map[string]Amount
		pods  []Pod
		parts []Part
		want  string
	}{
		"when each host has room, nothing is lacking": {
			map[string]Amount{"a": amount(500, 500), "b": amount(500, 500)}, nil, []Part{servers(3, amount(200, 200))}, ""},
		"when a new control plane is larger than all hosts, it is said of what": {
			map[string]Amount{"a": amount(500, 500)}, nil, []Part{servers(3, amount(200, 200))},
			"a pod of kube-apiserver needs 200m of CPU and 200Mi of memory, and host a has 100m of CPU and 100Mi of memory left"},
		"when what goes makes room for what comes, it is enough": {
			map[string]Amount{"a": amount(200, 500)}, pods("kube-apiserver", amount(200, 100), "a", "a"), []Part{servers(2, amount(200, 100))}, ""},
		"when the first new one has no room before an old one goes, it is lacking": {
			map[string]Amount{"a": amount(199, 500)}, pods("kube-apiserver", amount(200, 100), "a", "a"), []Part{servers(2, amount(200, 100))}, "needs 200m"},
		"when a member grows where its volume is, that host has to have room": {
			map[string]Amount{"a": amount(10, 500), "b": amount(5000, 500)}, pods("etcd", amount(25, 80), "a", "b", "b"), []Part{etcd(amount(50, 160))}, "host a has 35m"},
		"when a member's host has room with what it has, it grows": {
			map[string]Amount{"a": amount(25, 80), "b": amount(50, 160)}, pods("etcd", amount(25, 80), "a", "b", "b"), []Part{etcd(amount(50, 160))}, ""},
		"when the host with most processor has no memory, another is taken": {
			map[string]Amount{"a": amount(5000, 10), "b": amount(300, 500)}, nil, []Part{servers(1, amount(200, 200))}, ""},
		"when no host takes pods, it is said": {
			nil, nil, []Part{servers(1, amount(200, 200))}, "no host that takes pods"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Lacking(c.free, c.pods, c.parts)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLeft(t *testing.T) {
	requests := func(cpu, memory string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}}}
	}
	pod := corev1.PodSpec{InitContainers: []corev1.Container{requests("5m", "24Mi")}, Containers: []corev1.Container{requests("50m", "256Mi"), {}}}
	host := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	if diff := cmp.Diff(amount(1890, 464), Left(host, []corev1.PodSpec{pod, pod})); diff != "" {
		t.Error(diff)
	}
}
