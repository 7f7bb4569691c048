package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/controllermanager"
	"naru.dev/naru/internal/controlplane/front"
	"naru.dev/naru/internal/controlplane/isolation"
	"naru.dev/naru/internal/controlplane/karpenter"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/controlplane/scheduler"
	"naru.dev/naru/internal/kube/tenant"
)

const answerTimeout = 2 * time.Second

// servers keeps the API servers, the front before them, and what works on their objects.
func (c *Controller) servers(ctx context.Context, s *scope) (next, error) {
	servers, err := c.watch(ctx, s, apiserver.New())
	if err != nil {
		return fail(s, v1alpha1.ClusterControlPlaneReady, err)
	}
	s.apiServers = servers.Ready
	if s.serverAnswers, err = c.serverAnswers(ctx, s, servers); err != nil {
		return fail(s, v1alpha1.ClusterControlPlaneReady, err)
	}
	s.render.APIServers = apiServers(servers, s.serverAnswers, s.render.Replicas)
	if err := c.authentication(ctx, s); err != nil {
		return fail(s, v1alpha1.ClusterControlPlaneReady, err)
	}
	changed := false
	for _, part := range []component.Component{isolation.New(), apiserver.New(), front.New()} {
		asWanted, err := c.keep(ctx, s, part)
		if err != nil {
			return fail(s, v1alpha1.ClusterControlPlaneReady, err)
		}
		changed = changed || !asWanted
	}
	if servers.Wanted < s.render.Replicas {
		s.missing = append(s.missing, fmt.Sprintf("%d more API servers are to come", s.render.Replicas-servers.Wanted))
	}
	if _, err := c.watch(ctx, s, front.New()); err != nil {
		return fail(s, v1alpha1.ClusterControlPlaneReady, err)
	}
	servers.Done = servers.Done && !changed
	for _, part := range []component.Component{controllermanager.New(), scheduler.New(), karpenter.New()} {
		asWanted, err := c.follower(ctx, s, part, servers)
		if err != nil {
			return fail(s, v1alpha1.ClusterControlPlaneReady, err)
		}
		changed = changed || !asWanted
	}
	s.serversSeen = true
	if changed || !s.serverAnswers {
		// Not every object that was changed has an event, and a server that begins to answer has none.
		return next{after: soon}, nil
	}
	return next{}, nil
}

// apiServers is how many API servers are to run now. A new cluster's first one writes what every cluster begins with;
// others that start at the same time would only take its processor time, and everything waits for the first. When it answers it
// has almost done so, and will have when the others' pods run.
func apiServers(observed component.Rollout, answers bool, wanted int32) int32 {
	if !observed.Exists || observed.Wanted == 1 && !answers {
		return 1
	}
	return wanted
}

// serverAnswers says whether any API server answers requests, if only that it isn't ready. It does once etcd has answered it,
// and a second or two before it is ready.
func (c *Controller) serverAnswers(ctx context.Context, s *scope, servers component.Rollout) (bool, error) {
	if servers.Ready > 0 {
		return true, nil
	}
	pods := &corev1.PodList{}
	err := c.client.List(ctx, pods, client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelComponent: apiserver.Name})
	if err != nil {
		return false, fmt.Errorf("listing the API servers' pods: %w", err)
	}
	config, err := c.tenants.Config(ctx, s.cluster.Name)
	if err != nil {
		return false, nil // the cache has not seen the kubeconfig that this pass wrote
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.PodIP != "" && tenant.ServerAnswers(ctx, config, apiserver.Address(pod), pki.APIServerHost(pod.Namespace)) {
			return true, nil
		}
	}
	return false, nil
}

// follower keeps what is a client of the API servers. It starts when the first of them answers: what it takes to start is time
// that the server takes to become ready, and none that it takes from a server which loads. It becomes a newer version after all
// of them.
func (c *Controller) follower(ctx context.Context, s *scope, part component.Component, servers component.Rollout) (asWanted bool, err error) {
	rollout, err := c.watch(ctx, s, part)
	if err != nil {
		return false, err
	}
	if servers.Done || !rollout.Exists && s.serverAnswers {
		return c.keep(ctx, s, part)
	}
	return true, nil
}

// keep renders a component and applies what has changed of it. It returns false where something had: what was observed of
// the component before then speaks of what it was.
func (c *Controller) keep(ctx context.Context, s *scope, part component.Component) (asWanted bool, err error) {
	objects, err := c.renderer.Render(part, s.render)
	if err != nil {
		return false, err
	}
	asWanted, err = c.keeper.Objects(ctx, objects...)
	if err == nil && !asWanted {
		s.missing = append(s.missing, part.Name+" has just been changed")
	}
	return asWanted, err
}

// watch observes a component and notes what it lacks.
func (c *Controller) watch(ctx context.Context, s *scope, part component.Component) (component.Rollout, error) {
	rollout, err := part.Observe(ctx, c.client, s.render.Namespace)
	if err == nil && !rollout.Done {
		s.missing = append(s.missing, rollout.Message)
	}
	return rollout, err
}

// answers asks the API for its readiness through the front. Until it answers, there is nothing to be done inside.
func (c *Controller) answers(ctx context.Context, s *scope) (next, error) {
	if s.apiServers == 0 {
		s.missing = append(s.missing, "no API server is ready")
		return next{stop: true}, nil
	}
	config, err := c.tenants.Config(ctx, s.cluster.Name)
	if err != nil {
		// The cache has not seen the kubeconfig that this pass wrote.
		s.missing = append(s.missing, err.Error())
		return next{stop: true, after: soon}, nil
	}
	version, err := askReady(ctx, config)
	if err != nil {
		s.missing = append(s.missing, "the API does not answer through the front: "+err.Error())
		return next{stop: true, after: soon}, nil //nolint:nilerr // it is awaited, and told in the status
	}
	s.answering = true
	s.cluster.Status.Version = version
	return next{}, nil
}

func askReady(ctx context.Context, config *rest.Config) (version string, err error) {
	config.Timeout = answerTimeout
	asker, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", fmt.Errorf("making a client: %w", err)
	}
	if err := asker.RESTClient().Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).Error(); err != nil {
		return "", fmt.Errorf("asking /readyz: %w", err)
	}
	info, err := asker.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking /version: %w", err)
	}
	return info.GitVersion, nil
}
