package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/internal/scorecard"
)

func analysis(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[podUse]{row: "A26", limit: 5 * time.Minute, observe: observeDisk, judge: podUse.resources}.check(lab),
	}
}

// busyPod uses processor, memory and disk.
func (p *project) busyPod() *corev1.Pod {
	pod := p.shellPod("busy", busyScript)
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "memory", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
	}})
	pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "memory", MountPath: "/memory"})
	return pod
}

// observeDisk observes what P33 does, and the disk that the pod uses: the kubelet's summary knows it.
func observeDisk(ctx context.Context, p *project, o *podUse) error {
	err := observePodUse(ctx, p, o)
	if o.Node == "" {
		return err
	}
	path := "/api/v1/nodes/" + o.Node + "/proxy/stats/summary"
	diskErr := await(ctx, "the pod's disk use", 2*time.Minute, func(ctx context.Context) error {
		data, err := p.Raw(ctx, path)
		if err != nil {
			return err
		}
		if o.Disk = parseDisk(data, p.namespace, "busy"); o.Disk < busyDisk {
			return fmt.Errorf("%d MiB are less than it uses", o.Disk>>20)
		}
		return nil
	})
	p.log.Add("get --raw "+path, outcome(diskErr, fmt.Sprintf("%d MiB of disk", o.Disk>>20)))
	return errors.Join(err, diskErr)
}

// parseDisk reads how much of a node's disk a pod uses from a kubelet's summary, in bytes.
func parseDisk(data []byte, namespace, pod string) int64 {
	var summary struct {
		Pods []struct {
			PodRef struct{ Name, Namespace string } `json:"podRef"`
			Disk   struct {
				UsedBytes int64 `json:"usedBytes"`
			} `json:"ephemeral-storage"`
		} `json:"pods"`
	}
	if err := json.Unmarshal(data, &summary); err != nil {
		return 0 // an answer that can't be read says nothing
	}
	for _, p := range summary.Pods {
		if p.PodRef.Name == pod && p.PodRef.Namespace == namespace {
			return p.Disk.UsedBytes
		}
	}
	return 0
}

func (o podUse) resources() []scorecard.Claim {
	return []scorecard.Claim{
		claim(2, text("The present processor and memory use of a pod is known", "파드의 현재 CPU와 메모리 사용량을 알 수 있다"), o.measured(), "a busy pod: %.3f cores, %d MiB", o.CPU, o.Memory>>20),
		claim(1, text("So is its disk use", "디스크 사용량을 알 수 있다"), o.Disk >= busyDisk, "%d MiB", o.Disk>>20),
		history(2, text("a pod", "파드")),
	}
}
