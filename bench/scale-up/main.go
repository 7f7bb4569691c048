// Command scale-up measures the time from a pending pod to its running on a machine that did not
// exist before: Karpenter's decision, the machine, its kubelet, the pull of the image.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/bench/measure"
	"naru.dev/naru/test/naru"
)

const (
	cluster = "bench-scale"
	group   = "elastic"
	image   = "registry.naru.local/hello:1"
	limit   = 12 // seconds
)

func main() {
	runs := flag.Int("runs", 3, "how often to measure")
	flag.Parse()
	measure.Main(func(ctx context.Context) error { return run(ctx, *runs) })
}

func run(ctx context.Context, runs int) error {
	b, closer, err := measure.Open()
	if err != nil {
		return err
	}
	defer closer()
	kube, _, remove, err := b.Create(ctx, cluster, measure.Small)
	defer remove()
	if err != nil {
		return err
	}
	if _, err := b.CLI.Naru(ctx, "create", "nodegroup", group, "--cluster", cluster, "--min", "0", "--max", fmt.Sprint(runs), "--wait"); err != nil {
		return err
	}
	var times []float64
	for n := range runs {
		took, err := scaleUp(ctx, kube, fmt.Sprintf("needy-%d", n))
		if err != nil {
			return err
		}
		times = append(times, took.Seconds())
	}
	slices.Sort(times)
	return measure.Print(os.Stdout, fmt.Sprintf("scale-up, %d runs: pending pod to running on a new machine", runs), []measure.Figure{
		measure.Seconds("median", times[len(times)/2], limit), measure.Seconds("slowest", times[len(times)-1], limit),
	})
}

// scaleUp makes a pod that shares a machine with none of its kind.
func scaleUp(ctx context.Context, kube kubernetes.Interface, name string) (time.Duration, error) {
	labels := map[string]string{"bench": "scale-up"}
	pods := kube.CoreV1().Pods(metav1.NamespaceDefault)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](0),
			NodeSelector:                  map[string]string{v1alpha1.LabelNodeGroup: group},
			Containers:                    []corev1.Container{{Name: "main", Image: image}},
			Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
				}},
			}},
		},
	}
	begin := time.Now()
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return 0, fmt.Errorf("making a pod: %w", err)
	}
	err := naru.Eventually(ctx, "pod "+name, 3*time.Minute, func(ctx context.Context) error {
		found, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err == nil && found.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s: %v", found.Status.Phase, found.Status.Conditions)
		}
		return err
	})
	return time.Since(begin), err
}
