package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/authentication"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
)

const (
	// askAgain is how soon API servers are asked again what they have loaded. They try for a minute to reach a provider, and begin
	// anew each minute.
	askAgain = time.Second
	// askLater is the same once one has failed.
	askLater = 5 * time.Second
)

// authentication writes who may say who a user is. API servers are about to mount it, and would not start with what they can't load:
// a provider that is none is left out.
func (c *Controller) authentication(ctx context.Context, s *scope) error {
	provider := s.cluster.Spec.IdentityProvider.DeepCopy()
	if provider != nil {
		if err := c.addAuthorities(ctx, provider); err != nil {
			return err
		}
		if s.providerProblem = authentication.Problem(provider, s.render.Issuer, component.ClusterIssuer); s.providerProblem != "" {
			provider = nil
		}
	}
	configuration, err := authentication.Configuration(provider)
	if err != nil {
		return err
	}
	s.render.Authentication = configuration
	objects, err := c.renderer.Render(authentication.New(), s.render)
	if err != nil {
		return err
	}
	_, err = c.keeper.Objects(ctx, objects...)
	return err
}

// addAuthorities gives a provider that has no authority of its own those of the hosting cluster's operator, if there are any. They are
// read anew in each pass: somebody who waits for a provider has just changed them, perhaps.
func (c *Controller) addAuthorities(ctx context.Context, provider *v1alpha1.IdentityProvider) error {
	if provider.CertificateAuthority != "" {
		return nil
	}
	bundle := &corev1.ConfigMap{}
	err := c.live.Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: v1alpha1.ConfigMapIssuerAuthorities}, bundle)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the authorities of issuers: %w", err)
	}
	provider.CertificateAuthority = bundle.Data[v1alpha1.KeyIssuerAuthorities]
	return nil
}

// identityProvider has API servers load the cluster's identity provider, or its absence, and looks whether each did. Whatever comes
// of it, the pass goes on.
func (c *Controller) identityProvider(ctx context.Context, s *scope) (next, error) {
	wanted, observed := s.cluster.Spec.IdentityProvider, &s.cluster.Status.IdentityProvider
	if wanted == nil && observed.Provider == nil && conditions.Get(s.cluster, v1alpha1.ClusterIdentityProviderReady) == nil {
		return next{}, nil // it never had one
	}
	if wanted != nil {
		observed.Provider = wanted.DeepCopy()
	}
	if s.providerProblem != "" {
		conditions.False(s.cluster, v1alpha1.ClusterIdentityProviderReady, v1alpha1.ReasonFailed,
			s.providerProblem+": change spec.identityProvider, or ConfigMap "+v1alpha1.ConfigMapIssuerAuthorities+" in "+v1alpha1.SystemNamespace)
		return next{after: askLater}, nil
	}
	hash := authentication.Hash(s.render.Authentication)
	if observed.Loaded != hash {
		// Some may have loaded it before others are asked, so that nothing is known of what they had.
		observed.Loaded = ""
		lacking, later, err := c.lacking(ctx, s, hash)
		if err != nil {
			lacking, later = err.Error(), askLater
		}
		if lacking != "" {
			conditions.False(s.cluster, v1alpha1.ClusterIdentityProviderReady, v1alpha1.ReasonProgressing, lacking)
			return next{after: later}, nil
		}
		observed.Loaded = hash
	}
	observed.ObservedGeneration = s.cluster.Generation
	if wanted == nil {
		observed.Provider = nil
		conditions.True(s.cluster, v1alpha1.ClusterIdentityProviderReady, v1alpha1.ReasonReady, "no API server has an identity provider")
		return next{}, nil
	}
	conditions.True(s.cluster, v1alpha1.ClusterIdentityProviderReady, v1alpha1.ReasonReady,
		"every API server has loaded identity provider "+wanted.Name)
	return next{}, nil
}

// lacking says which API servers have not loaded the configuration of that hash, and when to ask again; empty where all have.
func (c *Controller) lacking(ctx context.Context, s *scope, hash string) (lacking string, later time.Duration, err error) {
	pods := &corev1.PodList{}
	err = c.live.List(ctx, pods, client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelComponent: apiserver.Name})
	if err != nil {
		return "", 0, fmt.Errorf("listing the API servers' pods: %w", err)
	}
	config, err := c.tenants.Config(ctx, s.cluster.Name)
	if err != nil {
		return "", 0, err
	}
	have, failing := 0, ""
	for i := range pods.Items {
		pod := &pods.Items[i]
		if err := c.nudge(ctx, pod, hash); err != nil {
			return "", 0, err
		}
		loaded, err := askLoaded(ctx, config, pod)
		switch {
		case err != nil:
			failing = pod.Name + " does not say: " + err.Error()
		case loaded.Hash == hash:
			have++
		case loaded.Failing:
			failing = pod.Name + " has failed to: " + s.whyFailing()
		}
	}
	if len(pods.Items) > 0 && have == len(pods.Items) {
		return "", 0, nil
	}
	lacking = fmt.Sprintf("%d of %d API servers have loaded it", have, len(pods.Items))
	if failing != "" {
		return lacking + "; " + failing, askLater, nil
	}
	return lacking, askAgain, nil
}

// whyFailing is what an API server that can't load the configuration most likely lacks. Only its log tells.
func (s *scope) whyFailing() string {
	if provider := s.cluster.Spec.IdentityProvider; provider != nil {
		return "can the cluster's nodes reach " + provider.IssuerURL + ", and is its certificate signed by certificateAuthority, " +
			"ConfigMap " + v1alpha1.ConfigMapIssuerAuthorities + " in " + v1alpha1.SystemNamespace + " or a public authority? It tries again each minute; naru logs cluster " + s.cluster.Name + " kube-apiserver says more"
	}
	return "naru logs cluster " + s.cluster.Name + " kube-apiserver says why"
}

// nudge has the kubelet look at a pod, and so at the files that it mounts, at once. It would do so by itself within a minute.
func (c *Controller) nudge(ctx context.Context, pod *corev1.Pod, hash string) error {
	if pod.Annotations[v1alpha1.AnnotationAuthentication] == hash {
		return nil
	}
	stored := pod.DeepCopy()
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[v1alpha1.AnnotationAuthentication] = hash
	if err := c.client.Patch(ctx, pod, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("marking pod %s: %w", pod.Name, err)
	}
	return nil
}

// askLoaded asks one API server, past the front, which configuration it works with.
func askLoaded(ctx context.Context, config *rest.Config, pod *corev1.Pod) (authentication.Loaded, error) {
	if pod.Status.PodIP == "" {
		return authentication.Loaded{}, errors.New("it has no address yet")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	metrics, err := tenant.ServerMetrics(ctx, config, apiserver.Address(pod), pki.APIServerHost(pod.Namespace))
	if err != nil {
		return authentication.Loaded{}, err
	}
	return authentication.ReadLoaded(bytes.NewReader(metrics))
}
