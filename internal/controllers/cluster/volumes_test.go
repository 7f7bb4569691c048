package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestHasRoom(t *testing.T) {
	host := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("12"),
	}
	pod := func(cpu, memory string) corev1.Pod {
		return corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}}}}}}
	}
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want bool
	}{
		"when a host is empty, it has room":                     {nil, true},
		"when enough is left, it has room":                      {[]corev1.Pod{pod("1", "3Gi"), pod("500m", "0")}, true},
		"when its processors are promised, it has none":         {[]corev1.Pod{pod("1900m", "0")}, false},
		"when its memory is promised, it has none":              {[]corev1.Pod{pod("0", "2Gi"), pod("0", "1800Mi")}, false},
		"when it takes hardly any more pods, it has none":       {[]corev1.Pod{pod("0", "0"), pod("0", "0"), pod("0", "0")}, false},
		"when its pods say nothing of their needs, it has room": {[]corev1.Pod{{}, {}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hasRoom(host, c.pods); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTakesPods(t *testing.T) {
	node := func(ready corev1.ConditionStatus, unschedulable bool, taints ...corev1.Taint) *corev1.Node {
		return &corev1.Node{
			Spec:   corev1.NodeSpec{Unschedulable: unschedulable, Taints: taints},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
		}
	}
	for name, c := range map[string]struct {
		node *corev1.Node
		want bool
	}{
		"when a host is ready, it takes pods":               {node(corev1.ConditionTrue, false), true},
		"when a host's state is unknown, it takes none":     {node(corev1.ConditionUnknown, false), false},
		"when a host is cordoned, it takes none":            {node(corev1.ConditionTrue, true), false},
		"when a host has reported nothing, it takes none":   {&corev1.Node{}, false},
		"when a host has a taint, it takes none":            {node(corev1.ConditionTrue, false, corev1.Taint{Key: "k", Effect: corev1.TaintEffectNoSchedule}), false},
		"when a host's taint is only a wish, it takes pods": {node(corev1.ConditionTrue, false, corev1.Taint{Key: "k", Effect: corev1.TaintEffectPreferNoSchedule}), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := takesPods(c.node); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
