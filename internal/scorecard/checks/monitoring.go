package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"naru.dev/naru/internal/scorecard"
)

func monitoring(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[hostUse]{row: "P32", limit: medium, observe: observeHostUse, judge: hostUse.judge}.check(lab),
		inProject[podUse]{row: "P33", limit: medium, observe: observePodUse, judge: podUse.placement}.check(lab),
	}
}

// The metrics API (https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/).
const (
	nodeMetrics = "/apis/metrics.k8s.io/v1beta1/nodes"
	podMetrics  = "/apis/metrics.k8s.io/v1beta1/namespaces/%s/pods"
)

// usage is what a node or a pod uses.
type usage struct {
	CPU    float64 // cores
	Memory int64   // bytes
}

// parseUsages reads a NodeMetricsList or a PodMetricsList, by name.
func parseUsages(data []byte) map[string]usage {
	type quantities struct {
		CPU    resource.Quantity `json:"cpu"`
		Memory resource.Quantity `json:"memory"`
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Usage      quantities `json:"usage"`
			Containers []struct {
				Usage quantities `json:"usage"`
			} `json:"containers"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil // an answer that can't be read says nothing
	}
	all := map[string]usage{}
	for _, item := range list.Items {
		u := usage{item.Usage.CPU.AsApproximateFloat64(), item.Usage.Memory.Value()}
		for _, c := range item.Containers {
			u.CPU += c.Usage.CPU.AsApproximateFloat64()
			u.Memory += c.Usage.Memory.Value()
		}
		all[item.Metadata.Name] = u
	}
	return all
}

// hostUse is P32.
type hostUse struct{ Nodes, Measured int }

func observeHostUse(ctx context.Context, p *project, o *hostUse) error {
	var text string
	err := await(ctx, "metrics of all nodes", 2*time.Minute, func(ctx context.Context) error {
		nodes, err := p.freeNodes(ctx) // other rows' nodes come and go meanwhile
		if err != nil {
			return err
		}
		data, err := p.Raw(ctx, nodeMetrics)
		if err != nil {
			return err
		}
		o.Nodes, o.Measured, text = len(nodes), 0, ""
		all := parseUsages(data)
		for _, node := range nodes {
			if u := all[node.Name]; u.CPU > 0 && u.Memory > 0 {
				o.Measured++
				text += fmt.Sprintf("%s: %.3f cores, %d MiB. ", node.Name, u.CPU, u.Memory>>20)
			}
		}
		if o.Measured == 0 || o.Measured < o.Nodes {
			return fmt.Errorf("there are metrics of %d of %d nodes", o.Measured, o.Nodes)
		}
		return nil
	})
	p.log.Add("get --raw "+nodeMetrics, outcome(err, text))
	return err
}

func (o hostUse) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("One request gives the present processor and memory use of every machine", "한 번의 요청으로 모든 머신의 현재 CPU와 메모리 사용량을 알 수 있다"),
			o.Nodes > 0 && o.Measured == o.Nodes, "%d of %d machines", o.Measured, o.Nodes),
		history(1, text("machines, disks and networks, in one place", "머신, 디스크, 네트워크")),
	}
}

// podUse is P33 and A26: a pod that uses what is known, and what is measured of it.
type podUse struct {
	Node         string
	CPU          float64
	Memory, Disk int64
}

// What the pod uses: more of a processor, memory and disk than it would by itself.
const (
	busyScript = `dd if=/dev/zero of=/tmp/file bs=1M count=24 2>/dev/null; dd if=/dev/zero of=/memory/file bs=1M count=40 2>/dev/null
trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; usleep 80000; done`
	busyCPU          = 0.03
	busyMemory int64 = 36 << 20
	busyDisk   int64 = 20 << 20
)

func observePodUse(ctx context.Context, p *project, o *podUse) error {
	pod := p.busyPod()
	if err := p.start(ctx, pod); err != nil {
		return err
	}
	o.Node = pod.Spec.NodeName
	path := fmt.Sprintf(podMetrics, p.namespace)
	err := await(ctx, "metrics of the pod", 2*time.Minute, func(ctx context.Context) error {
		data, err := p.Raw(ctx, path)
		if err != nil {
			return err
		}
		u, ok := parseUsages(data)[pod.Name]
		if !ok {
			return errors.New("there are none yet")
		}
		if o.CPU, o.Memory = u.CPU, u.Memory; o.CPU < busyCPU || o.Memory < busyMemory {
			return fmt.Errorf("%.3f cores and %d MiB are less than it uses", o.CPU, o.Memory>>20)
		}
		return nil
	})
	p.log.Add("get --raw "+path, outcome(err, fmt.Sprintf("%.3f cores, %d MiB", o.CPU, o.Memory>>20)))
	return err
}

func (o podUse) measured() bool { return o.Node != "" && o.CPU >= busyCPU && o.Memory >= busyMemory }

func (o podUse) placement() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("One request gives the present processor and memory use of every container, another where it runs", "한 번의 요청으로 컨테이너의 현재 CPU와 메모리 사용량을, 또 한 번으로 배치 위치를 알 수 있다"),
			o.measured(), "a busy pod on %s: %.3f cores, %d MiB", o.Node, o.CPU, o.Memory>>20),
		history(2, text("containers, of all clusters in one place", "모든 클러스터의 컨테이너")),
	}
}
