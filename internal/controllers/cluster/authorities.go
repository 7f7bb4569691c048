package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/addons"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/conditions"
)

const (
	// lookAgain is how often nodes are asked what they follow while authorities are rotated.
	lookAgain = time.Second
	// rootConfigMap holds, in every namespace of a cluster, what its pods trust.
	rootConfigMap, rootKey = "kube-root-ca.crt", "ca.crt"
	// named is how many of those that do not follow yet a message names.
	named = 3
)

func wantedAuthorities(cluster *v1alpha1.Cluster) pki.Authorities {
	wanted := cluster.WantedAuthorities()
	return pki.Authorities{Trusted: wanted.Trusted, Signing: wanted.Signing}
}

// nextAuthorities are those that are to be in force now.
func (s *scope) nextAuthorities(have pki.Secrets) pki.Authorities {
	followed := s.cluster.Status.Followed == v1alpha1.AuthoritiesFingerprint(have[pki.CA][pki.CertificateKey])
	return have.Authorities().Step(wantedAuthorities(s.cluster), followed)
}

// rotate notes which authorities are in force, before anything is seen to follow them. A cluster that has had one only follows it.
func (s *scope) rotate(have pki.Secrets, now time.Time) {
	s.inForce = have.Authorities()
	s.generations = map[int32][]byte{}
	wanted := wantedAuthorities(s.cluster)
	for _, generation := range slices.Concat(wanted.Trusted, s.inForce.Trusted) {
		s.generations[generation] = have.Material(pki.AuthorityName(generation)).Certificate
	}
	for name := range have {
		if generation, ok := pki.AuthorityGeneration(name); ok && !slices.Contains(s.inForce.Trusted, generation) {
			s.obsolete = append(s.obsolete, name)
			s.generations[generation] = have.Material(name).Certificate
		}
	}
	if len(s.inForce.Trusted) == 1 && s.cluster.Status.Followed == "" {
		s.cluster.Status.Followed = s.fingerprint()
	}
	s.noteAuthorities(now)
	if !s.rotated() {
		conditions.False(s.cluster, v1alpha1.ClusterAuthoritiesReady, v1alpha1.ReasonProgressing, "certificate authorities are rotated")
	}
}

func (s *scope) fingerprint() string {
	return v1alpha1.AuthoritiesFingerprint(s.authorities[pki.CA].Certificate)
}

func (s *scope) followed() bool { return s.cluster.Status.Followed == s.fingerprint() }

func (s *scope) rotated() bool {
	return s.followed() && s.inForce.Equal(wantedAuthorities(s.cluster))
}

// followers looks whether everything follows the authorities in force, and then lets the next step be taken.
func (c *Controller) followers(ctx context.Context, s *scope) (next, error) {
	if !s.followed() {
		late, err := c.late(ctx, s)
		if err != nil {
			return fail(s, v1alpha1.ClusterAuthoritiesReady, err)
		}
		if len(late) > 0 {
			conditions.False(s.cluster, v1alpha1.ClusterAuthoritiesReady, v1alpha1.ReasonProgressing,
				"these do not follow the certificate authorities yet: "+enumerate(late))
			return next{after: lookAgain}, nil
		}
		s.cluster.Status.Followed = s.fingerprint()
	}
	s.noteAuthorities(c.clock.Now())
	if !s.rotated() {
		return next{after: soon}, nil
	}
	if err := c.deleteAuthorities(ctx, s); err != nil {
		return fail(s, v1alpha1.ClusterAuthoritiesReady, err)
	}
	maps.DeleteFunc(s.generations, func(generation int32, _ []byte) bool { return !slices.Contains(s.inForce.Trusted, generation) })
	s.noteAuthorities(c.clock.Now())
	conditions.True(s.cluster, v1alpha1.ClusterAuthoritiesReady, v1alpha1.ReasonReady,
		fmt.Sprintf("certificate authority %d signs, and everything trusts it", s.inForce.Signing))
	return next{}, nil
}

func enumerate(late []string) string {
	if len(late) <= named {
		return strings.Join(late, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(late[:named], ", "), len(late)-named)
}

// late names what was not seen to follow the authorities in force: components, nodes and namespaces. It is called last in a
// pass: what the pass before it has found missing is late.
func (c *Controller) late(ctx context.Context, s *scope) ([]string, error) {
	late := slices.Clone(s.missing)
	inside, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return nil, err
	}
	nodes := &corev1.NodeList{}
	if err := inside.List(ctx, nodes); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	for i := range nodes.Items {
		if nodes.Items[i].Annotations[v1alpha1.AnnotationFollows] != s.fingerprint() {
			late = append(late, "node "+nodes.Items[i].Name)
		}
	}
	roots := &corev1.ConfigMapList{}
	if err := inside.List(ctx, roots, client.MatchingFields{"metadata.name": rootConfigMap}); err != nil {
		return nil, fmt.Errorf("listing what pods trust: %w", err)
	}
	for i := range roots.Items {
		if roots.Items[i].Data[rootKey] != string(s.authorities[pki.CA].Certificate) {
			late = append(late, "pods of namespace "+roots.Items[i].Namespace)
		}
	}
	if len(nodes.Items) == 0 {
		return late, nil // no pod runs, and those that come start with what is in force
	}
	for _, part := range addons.Workloads() {
		rollout, err := part.Observe(ctx, inside, addons.Namespace)
		if err != nil {
			return nil, err
		}
		if rollout.Exists && !rollout.Done {
			late = append(late, rollout.Message)
		}
	}
	return late, nil
}

// deleteAuthorities forgets the keys of authorities that are not trusted any more.
func (c *Controller) deleteAuthorities(ctx context.Context, s *scope) error {
	for _, name := range s.obsolete {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.render.Namespace, Name: name}}
		if err := c.client.Delete(ctx, secret); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting certificate authority %s: %w", name, err)
		}
	}
	return nil
}

// noteAuthorities writes what is known of each authority into the status.
func (s *scope) noteAuthorities(now time.Time) {
	before := map[int32]v1alpha1.ClusterAuthority{}
	inUse := s.inForce.Signing
	for _, authority := range s.cluster.Status.Authorities {
		before[authority.Generation] = authority
		if authority.Signing == v1alpha1.AuthorityInUse && !s.followed() {
			inUse = authority.Generation
		}
	}
	var all []v1alpha1.ClusterAuthority
	for generation, certificate := range s.generations {
		noted := before[generation]
		noted.Generation, noted.Certificate = generation, certificate
		if own, err := pki.Parse(certificate); err == nil {
			noted.Created = metav1.NewTime(pki.Made(own))
		}
		s.judge(&noted, inUse)
		if noted.Signing == v1alpha1.AuthorityInUse && before[generation].Signing != v1alpha1.AuthorityInUse {
			activated := metav1.NewTime(now)
			if len(before) == 0 {
				activated = noted.Created
			}
			noted.Activated = &activated
		}
		s.cluster.Status.LastAuthority = max(s.cluster.Status.LastAuthority, generation)
		all = append(all, noted)
	}
	slices.SortFunc(all, func(a, b v1alpha1.ClusterAuthority) int { return cmp.Compare(a.Generation, b.Generation) })
	s.cluster.Status.Authorities = all
}

// judge says whether an authority signs and who trusts it. inUse is the one that has signed everything.
func (s *scope) judge(noted *v1alpha1.ClusterAuthority, inUse int32) {
	wanted := wantedAuthorities(s.cluster)
	switch noted.Generation {
	case inUse:
		noted.Signing = v1alpha1.AuthorityInUse
	case s.inForce.Signing, wanted.Signing:
		noted.Signing = v1alpha1.AuthorityActivating
	default:
		noted.Signing = v1alpha1.AuthorityNotUsed
	}
	switch {
	case !slices.Contains(wanted.Trusted, noted.Generation):
		noted.Distribution = v1alpha1.AuthorityDeleting
	case s.followed() && slices.Contains(s.inForce.Trusted, noted.Generation):
		noted.Distribution = v1alpha1.AuthorityComplete
	case noted.Distribution != v1alpha1.AuthorityComplete:
		noted.Distribution = v1alpha1.AuthorityInProgress
	}
}
