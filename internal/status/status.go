// Package status observes the platform of this machine: each row was asked for just now.
package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// Row is what was observed of one part.
type Row struct {
	Part   string `json:"part"`
	Name   string `json:"name,omitempty"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// askTime bounds each question.
const askTime = 5 * time.Second

// deployments are Naru's own, beside the registry, by what a user calls them.
func deployments() [][2]string {
	return [][2]string{{"controller", "naru-controller"}, {"server", "naru-server"}, {"authenticator", "naru-authenticator"}}
}

// Observe asks every part. Errors: *platform.NotRunningError, *platform.NoAccessError; a part that
// does not answer is a row.
func Observe(ctx context.Context, state layout.State) ([]Row, error) {
	identity, running, err := daemon.Running(state)
	if err != nil {
		return nil, err
	}
	if !running {
		return nil, &platform.NotRunningError{Err: fmt.Errorf("no daemon holds %s", state)}
	}
	p, err := platform.Open()
	if err != nil {
		return nil, err
	}
	rows := daemonRows(ctx, state, identity)
	api, nodes := hosts(ctx, p)
	rows = append(rows, api)
	rows = append(rows, nodes...)
	rows = append(rows, registryRow(ctx, state))
	if !api.OK {
		return rows, nil // the rest is asked of the API
	}
	for _, d := range deployments() {
		rows = append(rows, available(ctx, p.Client, d[0], d[1]))
	}
	return append(rows, clusters(ctx, p.Client)...), nil
}

func daemonRows(ctx context.Context, state layout.State, identity daemon.Identity) []Row {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	said, err := daemon.Ask(ctx, state)
	if err != nil {
		return []Row{{Part: "daemon", Detail: fmt.Sprintf("process %d runs but does not answer: %v", identity.PID, err)}}
	}
	rows := []Row{{Part: "daemon", OK: true, Detail: fmt.Sprintf("runs as process %d", said.Daemon.PID)}}
	addresses := make([]string, 0, len(said.Problems))
	for address := range said.Problems {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	for _, address := range addresses {
		rows = append(rows, Row{Part: "port", Name: address, Detail: said.Problems[address]})
	}
	return rows
}

func hosts(ctx context.Context, p *platform.Platform) (api Row, rows []Row) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	nodes := &corev1.NodeList{}
	api = Row{Part: "hosting API", Name: p.Config.Host}
	if err := p.Client.List(ctx, nodes); err != nil {
		api.Detail = err.Error()
		return api, nil
	}
	api.OK, api.Detail = true, "answers"
	for _, node := range nodes.Items {
		rows = append(rows, host(node))
	}
	return api, rows
}

func host(node corev1.Node) Row {
	row := Row{Part: "host", Name: node.Name, Detail: "its kubelet has not said yet whether it is ready"}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			row.OK, row.Detail = c.Status == corev1.ConditionTrue, c.Message
		}
	}
	if row.OK {
		row.Detail = fmt.Sprintf("ready, %s, zone %s", node.Status.NodeInfo.KubeletVersion, node.Labels[corev1.LabelTopologyZone])
	}
	return row
}

func registryRow(ctx context.Context, state layout.State) Row {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	row := Row{Part: "registry", Name: layout.RegistryHost}
	r, err := registry.Open(state)
	if err == nil {
		err = r.Ping(ctx)
	}
	if err != nil {
		row.Detail = err.Error()
		return row
	}
	row.OK, row.Detail = true, fmt.Sprintf("answers at 127.0.0.1:%d", layout.PushPort)
	return row
}

func available(ctx context.Context, c client.Reader, part, name string) Row {
	row := Row{Part: part}
	deployment := &appsv1.Deployment{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: name}, deployment); err != nil {
		row.Detail = err.Error()
		return row
	}
	wanted := int32(1)
	if deployment.Spec.Replicas != nil {
		wanted = *deployment.Spec.Replicas
	}
	row.OK = deployment.Status.AvailableReplicas >= wanted
	row.Detail = fmt.Sprintf("%d of %d pods available", deployment.Status.AvailableReplicas, wanted)
	return row
}

func clusters(ctx context.Context, c client.Reader) []Row {
	list := &v1alpha1.ClusterList{}
	if err := c.List(ctx, list); err != nil {
		return []Row{{Part: "clusters", Detail: err.Error()}}
	}
	rows := make([]Row, 0, len(list.Items))
	for i := range list.Items {
		rows = append(rows, cluster(&list.Items[i]))
	}
	return rows
}

func cluster(c *v1alpha1.Cluster) Row {
	row := Row{Part: "cluster", Name: c.Name, OK: conditions.IsTrue(c, v1alpha1.ClusterReady), Detail: "nothing is known of it yet"}
	if ready := conditions.Get(c, v1alpha1.ClusterReady); ready != nil {
		row.Detail = strings.Join(strings.Fields(ready.Message), " ")
	}
	if row.OK {
		row.Detail = fmt.Sprintf("ready, %s, https://127.0.0.1:%d", c.Status.Version, c.Status.Endpoint.Port)
	}
	if c.DeletionTimestamp != nil {
		row.OK, row.Detail = true, "is being deleted"
	}
	return row
}
