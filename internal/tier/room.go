package tier

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Amount is of a processor, in thousandths, and of memory, in bytes.
type Amount struct{ MilliCPU, Bytes int64 }

// Part is a component of a control plane that is to be as large as its new tier says.
type Part struct {
	Name string
	// Replicas is how many pods there are to be, Each what one is to have set aside.
	Replicas int
	Each     Amount
	// InPlace: its pods stay on the hosts that they are on, where their volumes are. Those of others are each replaced after
	// the new one is there.
	InPlace bool
}

// Pod is one of a part's that is there.
type Pod struct {
	Part, Host string
	Has        Amount
}

// Lacking says why a control plane can't become what parts say, one pod after the other, as rollouts do it; empty: it can. free
// is what each host has left. It does not reckon with what else asks for room meanwhile.
func Lacking(free map[string]Amount, pods []Pod, parts []Part) string {
	left := maps.Clone(free)
	for _, part := range parts {
		mine := slices.DeleteFunc(slices.Clone(pods), func(p Pod) bool { return p.Part != part.Name })
		for i := range max(part.Replicas, len(mine)) {
			var lacking string
			switch {
			case i < len(mine) && part.InPlace:
				left[mine[i].Host] = left[mine[i].Host].plus(mine[i].Has)
				lacking = take(left, part, mine[i].Host)
			case i < part.Replicas:
				lacking = take(left, part, roomiest(left, part.Each))
			}
			if lacking != "" {
				return lacking
			}
			if i < len(mine) && !part.InPlace {
				left[mine[i].Host] = left[mine[i].Host].plus(mine[i].Has)
			}
		}
	}
	return ""
}

// take sets a pod's share aside on a host.
func take(left map[string]Amount, part Part, host string) string {
	rest := left[host].minus(part.Each)
	if host == "" || rest.MilliCPU < 0 || rest.Bytes < 0 {
		where := "no host that takes pods"
		if host != "" {
			where = "host " + host
		}
		return fmt.Sprintf("a pod of %s needs %s, and %s has %s left", part.Name, part.Each, where, left[host])
	}
	left[host] = rest
	return ""
}

// roomiest is the host with the most processor left of those that have room for a pod, or of all where none has.
func roomiest(left map[string]Amount, each Amount) string {
	var best string
	for _, host := range slices.Sorted(maps.Keys(left)) {
		if best == "" || cmp.Or(compareFits(left[host], left[best], each), cmp.Compare(left[host].MilliCPU, left[best].MilliCPU)) > 0 {
			best = host
		}
	}
	return best
}

func compareFits(a, b, each Amount) int {
	fits := func(x Amount) int {
		if rest := x.minus(each); rest.MilliCPU < 0 || rest.Bytes < 0 {
			return 0
		}
		return 1
	}
	return cmp.Compare(fits(a), fits(b))
}

// Requests is what a pod has set aside for it. A sidecar counts as its other containers do; an init container that ends is passed over, as
// control planes have none.
func Requests(pod corev1.PodSpec) Amount {
	var sum Amount
	for _, list := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for _, container := range list {
			sum = sum.plus(Amount{container.Resources.Requests.Cpu().MilliValue(), container.Resources.Requests.Memory().Value()})
		}
	}
	return sum
}

// Left is what a host has for pods beyond those that it has.
func Left(allocatable corev1.ResourceList, pods []corev1.PodSpec) Amount {
	left := Amount{allocatable.Cpu().MilliValue(), allocatable.Memory().Value()}
	for _, pod := range pods {
		left = left.minus(Requests(pod))
	}
	return left
}

func (a Amount) plus(b Amount) Amount  { return Amount{a.MilliCPU + b.MilliCPU, a.Bytes + b.Bytes} }
func (a Amount) minus(b Amount) Amount { return Amount{a.MilliCPU - b.MilliCPU, a.Bytes - b.Bytes} }

// String is as manifests write it, memory in whole MiB.
func (a Amount) String() string {
	return fmt.Sprintf("%s of CPU and %s of memory", milli(a.MilliCPU), resource.NewQuantity(a.Bytes/mebibyte*mebibyte, resource.BinarySI))
}
