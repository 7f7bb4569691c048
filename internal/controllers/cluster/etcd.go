package cluster

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/etcd"
	"naru.dev/naru/internal/kube/conditions"
)

const (
	etcdPort = "2379"
	// listenTimeout is enough for a member that listens; one that does not refuses at once.
	listenTimeout = 200 * time.Millisecond
)

// etcd keeps the members running, and changes their number one at a time. It never stops the pass: API servers may
// start while members do.
func (c *Controller) etcd(ctx context.Context, s *scope) (next, error) {
	state, err := c.etcdState(ctx, s)
	if err == nil {
		// Before any is removed: its container would start once more, and join again.
		err = c.noteEtcd(ctx, state, etcd.MembersKey, strconv.Itoa(int(s.render.Replicas)))
	}
	if err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	rollout, err := etcd.New().Observe(ctx, c.client, s.render.Namespace)
	if err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	scaling, err := c.scaleEtcd(ctx, s, state, rollout)
	if err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	s.render.EtcdReplicas, s.render.EtcdServers = scaling.Replicas, scaling.Servers
	if s.etcdAnswers, err = c.etcdListens(ctx, s, rollout); err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	asWanted, err := c.keep(ctx, s, etcd.New())
	if err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	if !asWanted {
		rollout.Done, rollout.Message = false, "etcd has just been changed"
	}
	if err := c.afterEtcd(ctx, s, rollout.Done); err != nil {
		return fail(s, v1alpha1.ClusterEtcdReady, err)
	}
	if rollout.Done {
		if err := c.noteEtcd(ctx, state, etcd.BootstrappedKey, "true"); err != nil {
			return fail(s, v1alpha1.ClusterEtcdReady, err)
		}
	}
	return etcdOutcome(s, rollout, scaling), nil
}

func etcdOutcome(s *scope, rollout component.Rollout, scaling etcd.Scaling) next {
	switch {
	case scaling.Waiting != "":
		conditions.False(s.cluster, v1alpha1.ClusterEtcdReady, v1alpha1.ReasonProgressing, scaling.Waiting)
		return next{after: 2 * soon}
	case !rollout.Done:
		conditions.False(s.cluster, v1alpha1.ClusterEtcdReady, v1alpha1.ReasonProgressing, rollout.Message)
		if !s.etcdAnswers {
			return next{after: soon}
		}
		return next{after: 4 * soon}
	}
	conditions.True(s.cluster, v1alpha1.ClusterEtcdReady, v1alpha1.ReasonReady, fmt.Sprintf("%d of %d members are healthy", rollout.Ready, rollout.Wanted))
	return next{}
}

// etcdState reads what members are told; it is written before they exist.
func (c *Controller) etcdState(ctx context.Context, s *scope) (*corev1.ConfigMap, error) {
	state := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: s.render.Namespace, Name: etcd.StateConfigMap}
	err := c.client.Get(ctx, key, state)
	if apierrors.IsNotFound(err) {
		err = c.live.Get(ctx, key, state)
	}
	if err == nil {
		return state, nil
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the state of etcd: %w", err)
	}
	state = &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{
			v1alpha1.LabelCluster: s.cluster.Name, v1alpha1.LabelComponent: etcd.Name,
		}},
		Data: map[string]string{
			etcd.InitialMembersKey: strconv.Itoa(int(s.render.Replicas)), etcd.BootstrappedKey: "false",
			etcd.MembersKey: strconv.Itoa(int(s.render.Replicas)),
		},
	}
	if err := c.client.Create(ctx, state); err != nil {
		return nil, fmt.Errorf("writing the state of etcd: %w", err)
	}
	return state, nil
}

// noteEtcd changes what members are told when they start, unless it is so already.
func (c *Controller) noteEtcd(ctx context.Context, state *corev1.ConfigMap, key, value string) error {
	if state.Data[key] == value {
		return nil
	}
	updated := state.DeepCopy()
	updated.Data[key] = value
	if err := c.client.Patch(ctx, updated, client.MergeFrom(state)); err != nil {
		return fmt.Errorf("telling etcd's members that %s is %s: %w", key, value, err)
	}
	updated.DeepCopyInto(state)
	return nil
}

// scaleEtcd decides how many members there are to be, and changes etcd's own list of them where that is next.
func (c *Controller) scaleEtcd(ctx context.Context, s *scope, state *corev1.ConfigMap, rollout component.Rollout) (etcd.Scaling, error) {
	observed, err := c.observeEtcd(ctx, s)
	if err != nil {
		return etcd.Scaling{}, err
	}
	observed.Bootstrapped = state.Data[etcd.BootstrappedKey] == "true"
	if !observed.Bootstrapped || observed.Settled() && rollout.Done {
		return etcd.Scale(observed), nil
	}
	members, err := c.openMembers(ctx, s)
	if err != nil {
		// Members that can't be asked now are asked again: pods that restart are no failure of the cluster's.
		log.FromContext(ctx).Info("etcd's member list is not to be had", "reason", err.Error())
		return etcd.Scale(observed), nil
	}
	defer members.close()
	observed.Members = members.list
	scaling := etcd.Scale(observed)
	if err := members.act(ctx, scaling); err != nil {
		return etcd.Scaling{}, err
	}
	return scaling, nil
}

func (c *Controller) observeEtcd(ctx context.Context, s *scope) (etcd.Observed, error) {
	observed := etcd.Observed{Wanted: s.render.Replicas}
	set := &appsv1.StatefulSet{}
	if err := c.live.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: etcd.Name}, set); err == nil {
		observed.Running = *set.Spec.Replicas
	} else if !apierrors.IsNotFound(err) {
		return observed, fmt.Errorf("reading etcd: %w", err)
	}
	servers := &appsv1.Deployment{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: apiserver.Name}, servers); apierrors.IsNotFound(err) {
		return observed, nil
	} else if err != nil {
		return observed, fmt.Errorf("reading the API servers: %w", err)
	}
	observed.Used = apiserver.EtcdServers(servers)
	rollout, err := apiserver.New().Observe(ctx, c.client, s.render.Namespace)
	if err != nil || !rollout.Done {
		return observed, err
	}
	observed.UsedEverywhere, err = c.onlyPods(ctx, s, apiserver.Name, rollout.Wanted)
	return observed, err
}

// onlyPods says whether a component has n pods and no other that is still stopping: a workload's status does not count
// those, though an API server that stops works with the members that it knew until its last request is done.
func (c *Controller) onlyPods(ctx context.Context, s *scope, component string, n int32) (bool, error) {
	pods := &corev1.PodList{}
	err := c.live.List(ctx, pods, client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelComponent: component})
	if err != nil {
		return false, fmt.Errorf("listing the pods of %s: %w", component, err)
	}
	return len(pods.Items) == int(n), nil
}

// etcdListens says whether most members take connections. They do a second or two before their pods are said to be ready.
func (c *Controller) etcdListens(ctx context.Context, s *scope, rollout component.Rollout) (bool, error) {
	if !rollout.Exists || rollout.Ready > rollout.Wanted/2 {
		return rollout.Exists, nil
	}
	pods := &corev1.PodList{}
	err := c.client.List(ctx, pods, client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelComponent: etcd.Name})
	if err != nil {
		return false, fmt.Errorf("listing etcd's pods: %w", err)
	}
	dialer, listening := net.Dialer{Timeout: listenTimeout}, int32(0)
	for i := range pods.Items {
		if pods.Items[i].Status.PodIP == "" {
			continue
		}
		connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(pods.Items[i].Status.PodIP, etcdPort))
		if err == nil {
			connection.Close()
			listening++
		}
	}
	return listening > rollout.Wanted/2, nil
}
