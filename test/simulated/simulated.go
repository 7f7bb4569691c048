// Package simulated is a hosting cluster without containers: a store in memory, in which clusters, node groups and
// Fargate profiles become ready, change and go as if controllers worked. It is for tests of whatever is in front of the kinds.
//
// Nothing happens by time: a cluster, a node group or a profile takes its next step when it has been read Reads
// times since its last one, so that who looks on sees every state.
package simulated

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/tier"
)

// Reads is how often an object is read in each of its states.
const Reads = 4

// Zone is the only one.
const Zone = "naru-1a"

// World is the hosting cluster.
type World struct {
	// Client reads and writes it. What it writes gets what an API server adds: UID, generation, defaults.
	Client client.WithWatch

	mu        sync.Mutex
	reads     map[types.UID]int
	authority []byte
}

// New returns a hosting cluster of two releases and two machine classes.
func New(t testing.TB, objects ...client.Object) *World {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &World{reads: map[types.UID]int{}, authority: authority(t)}
	store := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, catalogue()...)...).
		WithStatusSubresource(&v1alpha1.Cluster{}, &v1alpha1.ConnectedCluster{}, &v1alpha1.NodeGroup{}, &v1alpha1.FargateProfile{}).Build()
	w.Client = interceptor.NewClient(store, interceptor.Funcs{Create: w.create, Update: w.update, Get: w.get, Delete: w.delete})
	return w
}

func catalogue() []client.Object {
	host := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-1", Labels: map[string]string{corev1.LabelTopologyZone: Zone}}}
	objects := []client.Object{host}
	for minor, version := range map[string]string{"1.36": "1.36.3", "1.37": "1.37.1"} {
		objects = append(objects, &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: minor}, Spec: v1alpha1.ReleaseSpec{
			Version: version, Images: map[string]string{"coredns": "registry.naru.local/coredns:v1.14.0"}}})
	}
	for _, class := range []string{"t3.medium", "m5.large"} {
		objects = append(objects, &v1alpha1.MachineClass{ObjectMeta: metav1.ObjectMeta{Name: class}})
	}
	return objects
}

func authority(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// create adds what an API server and a controller's first pass would.
func (w *World) create(ctx context.Context, store client.WithWatch, object client.Object, options ...client.CreateOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	object.SetUID(types.UID(uuid.NewString()))
	object.SetGeneration(1)
	object.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	cluster, isCluster := object.(*v1alpha1.Cluster)
	if isCluster {
		defaults(cluster)
	}
	_, isGroup := object.(*v1alpha1.NodeGroup)
	if _, isProfile := object.(*v1alpha1.FargateProfile); isGroup || isProfile || isCluster {
		object.SetFinalizers([]string{v1alpha1.Finalizer})
	}
	if err := store.Create(ctx, object, options...); err != nil {
		return err
	}
	if isCluster {
		return store.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace(cluster.Name)}})
	}
	return nil
}

func defaults(cluster *v1alpha1.Cluster) {
	spec := &cluster.Spec
	if spec.ControlPlane.Replicas == 0 {
		spec.ControlPlane.Replicas = 3
	}
	if spec.Networking.PodCIDR == "" {
		spec.Networking.PodCIDR = "10.244.0.0/16"
	}
	if spec.Networking.ServiceCIDR == "" {
		spec.Networking.ServiceCIDR = "10.96.0.0/16"
	}
}

// update raises the generation where the spec changed.
func (w *World) update(ctx context.Context, store client.WithWatch, object client.Object, options ...client.UpdateOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch changed := object.(type) {
	case *v1alpha1.Cluster:
		var before v1alpha1.Cluster
		if err := store.Get(ctx, client.ObjectKeyFromObject(object), &before); err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(before.Spec, changed.Spec) {
			object.SetGeneration(before.Generation + 1)
		}
	case *v1alpha1.NodeGroup:
		var before v1alpha1.NodeGroup
		if err := store.Get(ctx, client.ObjectKeyFromObject(object), &before); err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(before.Spec, changed.Spec) {
			object.SetGeneration(before.Generation + 1)
		}
	}
	w.reads[object.GetUID()] = 0
	return store.Update(ctx, object, options...)
}

func (w *World) delete(ctx context.Context, store client.WithWatch, object client.Object, options ...client.DeleteOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[object.GetUID()] = 0
	return store.Delete(ctx, object, options...)
}

// get reads, and lets the object take its next step where it was read often enough.
func (w *World) get(ctx context.Context, store client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := store.Get(ctx, key, object, options...); err != nil {
		return err
	}
	uid := object.GetUID()
	if w.reads[uid]++; w.reads[uid] <= Reads {
		return nil
	}
	w.reads[uid] = 0
	if !object.GetDeletionTimestamp().IsZero() {
		return w.vanish(ctx, store, object)
	}
	switch object := object.(type) {
	case *v1alpha1.Cluster:
		return w.ready(ctx, store, object)
	case *v1alpha1.NodeGroup:
		size, _ := object.Spec.Scaling.FixedSize()
		object.Status.Machines, object.Status.ReadyNodes, object.Status.ObservedGeneration = size, size, object.Generation
		conditions.True(object, v1alpha1.NodeGroupSynced, v1alpha1.ReasonReady, "the cluster has the group's node pools")
		conditions.True(object, v1alpha1.NodeGroupReady, v1alpha1.ReasonReady, "all nodes are ready")
		return store.Status().Update(ctx, object)
	case *v1alpha1.FargateProfile:
		object.Status.ObservedGeneration = object.Generation
		for _, part := range []string{v1alpha1.FargateProfileSynced, v1alpha1.FargateProfileInForce, v1alpha1.FargateProfileReady} {
			conditions.True(object, part, v1alpha1.ReasonReady, "simulated")
		}
		return store.Status().Update(ctx, object)
	}
	return nil
}

func (w *World) ready(ctx context.Context, store client.WithWatch, cluster *v1alpha1.Cluster) error {
	cluster.Status.ObservedGeneration = cluster.Generation
	cluster.Status.IdentityProvider = v1alpha1.ClusterIdentityProvider{ObservedGeneration: cluster.Generation, Provider: cluster.Spec.IdentityProvider.DeepCopy()}
	var addons []v1alpha1.AddonStatus
	for _, spec := range cluster.Spec.Addons {
		addons = append(addons, addonStatus(cluster, spec))
	}
	cluster.Status.Addons = addons
	if cluster.Status.Observations.ObservedAt.IsZero() || cluster.Annotations[v1alpha1.AnnotationObserve] != "" {
		cluster.Status.Observations = v1alpha1.ClusterObservations{ObservedAt: metav1.NewTime(time.Now().Truncate(time.Second).Add(time.Second)), APIServers: 3, Answered: 3,
			Kubelets: []v1alpha1.KubeletVersion{{Version: "v" + cluster.Spec.Version + ".1", Count: 1, Nodes: []string{"node-1"}}}}
	}
	w.size(cluster)
	cluster.Status.Version = "v" + cluster.Spec.Version + ".1"
	cluster.Status.Endpoint = v1alpha1.ClusterEndpoint{Port: 6500, Address: "10.0.0.1", CertificateAuthority: w.authority}
	wanted := cluster.WantedAuthorities()
	cluster.Status.Authorities = nil
	for _, generation := range wanted.Trusted {
		signing := v1alpha1.AuthorityNotUsed
		if generation == wanted.Signing {
			signing = v1alpha1.AuthorityInUse
		}
		cluster.Status.LastAuthority = max(cluster.Status.LastAuthority, generation)
		cluster.Status.Authorities = append(cluster.Status.Authorities, v1alpha1.ClusterAuthority{Generation: generation, Certificate: w.authority,
			Created: cluster.CreationTimestamp, Activated: &cluster.CreationTimestamp, Signing: signing, Distribution: v1alpha1.AuthorityComplete})
	}
	for _, part := range []string{v1alpha1.ClusterEndpointReady, v1alpha1.ClusterRevisionReady, v1alpha1.ClusterPKIReady, v1alpha1.ClusterEtcdReady,
		v1alpha1.ClusterControlPlaneReady, v1alpha1.ClusterBootstrapped, v1alpha1.ClusterReady} {
		conditions.True(cluster, part, v1alpha1.ReasonReady, "simulated")
	}
	return store.Status().Update(ctx, cluster)
}

// size gives a cluster the tier that it asks for, but for the largest, for which there is no room.
func (w *World) size(cluster *v1alpha1.Cluster) {
	wanted, _ := tier.Of(cluster.Spec.ControlPlane.Tier)
	if wanted.Name == tier.XL8 {
		conditions.False(cluster, v1alpha1.ClusterTierReady, v1alpha1.ReasonNoCapacity, "simulated: there is no room for "+wanted.Name)
		return
	}
	cluster.Status.Tier = wanted.Name
	conditions.True(cluster, v1alpha1.ClusterTierReady, v1alpha1.ReasonReady, "simulated")
}

// addonStatus is that of an add-on that was applied and runs, or was removed. One whose pods are to have the annotation "conflict" is
// refused, as where somebody else has set a field.
func addonStatus(cluster *v1alpha1.Cluster, spec v1alpha1.AddonSpec) v1alpha1.AddonStatus {
	status := v1alpha1.AddonStatus{Name: spec.Name}
	if known := cluster.FindAddonStatus(spec.Name); known != nil {
		status = *known
	}
	set := func(condition string, value bool, reason, message string) {
		is := metav1.ConditionFalse
		if value {
			is = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: condition, Status: is, Reason: reason, Message: message, ObservedGeneration: cluster.Generation})
	}
	switch {
	case spec.Conflicts == v1alpha1.ConflictsFail && strings.Contains(spec.Configuration, "conflict"):
		set(v1alpha1.AddonApplied, false, v1alpha1.ReasonConflict, "Deployment kube-system/coredns: conflict with somebody: .spec.replicas")
		return status
	case spec.Management == v1alpha1.AddonRemoved:
		set(v1alpha1.AddonApplied, true, v1alpha1.ReasonRemoved, "simulated")
		set(v1alpha1.AddonAvailable, false, v1alpha1.ReasonRemoved, "simulated")
	default:
		set(v1alpha1.AddonApplied, true, v1alpha1.ReasonReady, "simulated")
		set(v1alpha1.AddonAvailable, true, v1alpha1.ReasonReady, "simulated")
	}
	status.ObservedGeneration = cluster.Generation
	return status
}

// vanish takes a deleted object away. The one who reads sees it for the last time.
func (w *World) vanish(ctx context.Context, store client.WithWatch, object client.Object) error {
	last, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return nil
	}
	last.SetFinalizers(slices.DeleteFunc(last.GetFinalizers(), func(f string) bool { return f == v1alpha1.Finalizer }))
	if err := store.Update(ctx, last); err != nil {
		return err
	}
	if _, ok := object.(*v1alpha1.Cluster); !ok {
		return nil
	}
	namespace := v1alpha1.Namespace(object.GetName())
	for _, kind := range []client.Object{&v1alpha1.NodeGroup{}, &v1alpha1.FargateProfile{}, &v1alpha1.AccessEntry{}, &v1alpha1.PodIdentityAssociation{}} {
		if err := store.DeleteAllOf(ctx, kind, client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	return store.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
}
