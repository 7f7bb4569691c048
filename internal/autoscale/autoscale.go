// Package autoscale runs Karpenter for one managed cluster. It is the only importer of Karpenter, and it
// assembles the manager itself: operator.NewOperator parses os.Args, sets global loggers and panics.
package autoscale

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeoverlay"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"

	"naru.dev/naru/api/v1alpha1"
	definitions "naru.dev/naru/config"
	"naru.dev/naru/internal/autoscale/fargate/ending"
	"naru.dev/naru/internal/autoscale/fargate/gate"
	"naru.dev/naru/internal/autoscale/nodeclass"
	"naru.dev/naru/internal/autoscale/provider"
	"naru.dev/naru/internal/kube/manifest"
)

const (
	// batchIdle is how long pending pods are collected for one decision after the last of them came; batchMax
	// bounds it. Karpenter's own 1 s and 10 s suit machines that take a minute to start; ours take seconds.
	batchIdle, batchMax = 250 * time.Millisecond, 5 * time.Second
	// The tenant's API server is the process's only heavy peer.
	requestsPerSecond, requestBurst = 200, 300
	// leaseName, in kube-system of the tenant, keeps two processes from deciding at once.
	leaseName, leaseNamespace = "naru-karpenter", "kube-system"
	// userAgent is this process's name in logs, and as the owner of fields.
	userAgent = "naru-karpenter"
	// drainTime is how long controllers have to end when the process is asked to stop.
	drainTime = 5 * time.Second
	// kindsInterval is how often a cluster that is being made is asked for its kinds.
	kindsInterval = 200 * time.Millisecond
	// syncInterval is how often Karpenter's state is asked whether it has seen all that there is.
	syncInterval = 20 * time.Millisecond
)

// Config says which cluster is scaled and how both sides are reached.
type Config struct {
	// Cluster is the managed cluster's name.
	Cluster string
	// Tenant and Hosting reach the managed cluster and the hosting one.
	Tenant, Hosting *rest.Config
	// HealthAddress and MetricsAddress are listened on; "0" is nowhere.
	HealthAddress, MetricsAddress string
	Log                           logr.Logger
}

// Run scales the cluster until ctx ends. Metrics, the scheme and the well-known labels of
// Karpenter are process-global: call it once a process.
func Run(ctx context.Context, config Config) error {
	log.SetLogger(config.Log)
	karpenter.WellKnownLabels.Insert(v1alpha1.LabelMachineClass)
	nodeclass.AddToScheme(clientgoscheme.Scheme)
	ctx = log.IntoContext(options.ToContext(ctx, karpenterOptions()), config.Log)

	if err := awaitKinds(ctx, config.Tenant); err != nil {
		return err
	}
	m, err := newManager(config)
	if err != nil {
		return fmt.Errorf("making manager: %w", err)
	}
	if err := addIndexes(ctx, m.GetFieldIndexer()); err != nil {
		return err
	}
	hosting, err := newHosting(config)
	if err != nil {
		return err
	}
	// The manager starts and stops the cache with its own.
	if err := m.Add(hosting.cache); err != nil {
		return fmt.Errorf("adding cache of hosting cluster: %w", err)
	}
	if err := addControllers(ctx, m, config.Cluster, hosting); err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("scaling cluster %s: %w", config.Cluster, err)
	}
	return nil
}

// awaitKinds returns when the cluster's API answers and serves the kinds that are watched. This process
// starts together with the API servers, and definitions come later: ending would only bring a back-off.
func awaitKinds(ctx context.Context, config *rest.Config) error {
	c, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	wanted, err := kinds()
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, kindsInterval, true, func(context.Context) (bool, error) {
		last = serves(c, wanted)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the cluster's kinds (%w): %w", last, err)
	}
	return nil
}

// kinds are the resources that are watched, by group and version: those of every definition that a cluster is given, one
// by one and in any order.
func kinds() (map[string][]string, error) {
	objects, err := manifest.Decode(definitions.TenantCRDs())
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's kinds: %w", err)
	}
	wanted := map[string][]string{}
	for _, object := range objects {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &definition); err != nil {
			return nil, fmt.Errorf("reading the cluster's kinds: %w", err)
		}
		for _, version := range definition.Spec.Versions {
			if version.Served {
				name := definition.Spec.Group + "/" + version.Name
				wanted[name] = append(wanted[name], definition.Spec.Names.Plural)
			}
		}
	}
	return wanted, nil
}

// serves says what is missing.
func serves(c discovery.ServerResourcesInterface, wanted map[string][]string) error {
	for version, resources := range wanted {
		served, err := c.ServerResourcesForGroupVersion(version)
		if err != nil {
			return err
		}
		for _, resource := range resources {
			if !slices.ContainsFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Name == resource }) {
				return fmt.Errorf("%s does not serve %s", version, resource)
			}
		}
	}
	return nil
}

func addControllers(ctx context.Context, m manager.Manager, cluster string, hosting hosting) error {
	p := provider.New(cluster, m.GetClient(), hosting.cache, hosting.client)
	seen := state.NewCluster(clock.RealClock{}, m.GetClient(), p)
	if err := m.Add(awaitSync(seen)); err != nil {
		return fmt.Errorf("adding what awaits the cluster's state: %w", err)
	}
	all := controllers.NewControllers(ctx, m, clock.RealClock{}, m.GetClient(),
		events.NewRecorder(m.GetEventRecorderFor("karpenter")), //nolint:staticcheck // Karpenter's recorder wants the old events API
		p, p, seen, nodeoverlay.NewInstanceTypeStore())
	all = append(all, nodeclass.NewController(m.GetClient(), hosting.cache), ending.NewController(m.GetClient()),
		gate.NewController(m.GetClient(), hosting.cache, m.GetEventRecorderFor("naru-fargate"))) //nolint:staticcheck // as Karpenter's own
	for _, controller := range all {
		if err := controller.Register(ctx, m); err != nil {
			return fmt.Errorf("registering %T: %w", controller, err)
		}
	}
	return nil
}

// awaitSync asks until the state of the cluster is complete, which the state then remembers. Karpenter's controllers ask once a
// second, and the first machine of a cluster would wait for that.
func awaitSync(cluster *state.Cluster) manager.RunnableFunc {
	return func(ctx context.Context) error {
		err := wait.PollUntilContextCancel(ctx, syncInterval, true, func(ctx context.Context) (bool, error) { return cluster.Synced(ctx), nil })
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting for the cluster's state: %w", err)
		}
		return nil
	}
}

// karpenterOptions are what Karpenter would otherwise read from flags and the environment.
func karpenterOptions() *options.Options {
	gates := options.DefaultFeatureGates()
	gates.StaticCapacity = true
	gates.NodeRepair = true
	return &options.Options{
		KubeClientQPS:   requestsPerSecond,
		KubeClientBurst: requestBurst,
		// Karpenter sizes its worker pools by this; one core is the least.
		CPURequests:                      1000,
		BatchIdleDuration:                batchIdle,
		BatchMaxDuration:                 batchMax,
		PreferencePolicy:                 options.PreferencePolicyRespect,
		MinValuesPolicy:                  options.MinValuesPolicyStrict,
		IgnoreDRARequests:                true,
		DisableControllerWarmup:          true,
		DisableClusterStateObservability: true,
		FeatureGates:                     gates,
	}
}

func newManager(config Config) (manager.Manager, error) {
	tenant := rest.CopyConfig(config.Tenant)
	tenant.QPS, tenant.Burst = requestsPerSecond, requestBurst
	tenant.UserAgent = userAgent
	drain := drainTime
	m, err := ctrl.NewManager(tenant, ctrl.Options{
		Logger:                        config.Log,
		Scheme:                        clientgoscheme.Scheme,
		NewClient:                     newClaims,
		LeaderElection:                true,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       leaseNamespace,
		LeaderElectionResourceLock:    resourcelock.LeasesResourceLock,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &drain,
		Metrics:                       metricsserver.Options{BindAddress: config.MetricsAddress},
		HealthProbeBindAddress:        config.HealthAddress,
		// options.FromContext panics in a context without options.
		BaseContext: func() context.Context {
			return log.IntoContext(options.ToContext(context.Background(), karpenterOptions()), config.Log)
		},
		Cache: cache.Options{
			// Nobody here reads who owns which field, and it is half of an object's size.
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&coordinationv1.Lease{}: {Field: fields.SelectorFromSet(fields.Set{"metadata.namespace": "kube-node-lease"})},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding health check: %w", err)
	}
	err = m.AddReadyzCheck("cache", func(r *http.Request) error {
		if !m.GetCache().WaitForCacheSync(r.Context()) {
			return fmt.Errorf("the cache of the cluster is not filled yet")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("adding readiness check: %w", err)
	}
	return m, nil
}

// hosting is how the hosting cluster is read and written.
type hosting struct {
	// cache holds machine classes and hosts.
	cache cache.Cache
	// client is not cached, and used for Machines.
	client client.Client
}

func newHosting(config Config) (hosting, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return hosting{}, fmt.Errorf("building scheme: %w", err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return hosting{}, fmt.Errorf("building scheme: %w", err)
	}
	rest := rest.CopyConfig(config.Hosting)
	rest.UserAgent = userAgent + "/" + config.Cluster
	// Each needs its own rate limiter, or a burst of machines would starve the cache.
	c, err := client.New(rest, client.Options{Scheme: scheme})
	if err != nil {
		return hosting{}, fmt.Errorf("connecting to hosting cluster: %w", err)
	}
	hosts, err := cache.New(rest, cache.Options{
		Scheme: scheme,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.MachineClass{}: {},
			&corev1.Node{}:           {Transform: stripHost},
		},
	})
	if err != nil {
		return hosting{}, fmt.Errorf("making cache of hosting cluster: %w", err)
	}
	return hosting{cache: hosts, client: c}, nil
}

// stripHost keeps of a host what instancetypes.Zones reads.
func stripHost(object any) (any, error) {
	host, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	host.ManagedFields, host.Annotations = nil, nil
	host.Status = corev1.NodeStatus{Conditions: host.Status.Conditions}
	return host, nil
}

// addIndexes adds the indexes that Karpenter's controllers list by; see setupIndexers in its pkg/operator/operator.go.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	claim := func(read func(*karpenter.NodeClaim) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{read(o.(*karpenter.NodeClaim))} }
	}
	pool := func(read func(*karpenter.NodeClassReference) string) client.IndexerFunc {
		return func(o client.Object) []string {
			return []string{read(o.(*karpenter.NodePool).Spec.Template.Spec.NodeClassRef)}
		}
	}
	for _, index := range []struct {
		object client.Object
		field  string
		read   client.IndexerFunc
	}{
		{&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }},
		{&corev1.Node{}, "spec.providerID", func(o client.Object) []string { return []string{o.(*corev1.Node).Spec.ProviderID} }},
		{&storagev1.VolumeAttachment{}, "spec.nodeName", func(o client.Object) []string {
			return []string{o.(*storagev1.VolumeAttachment).Spec.NodeName}
		}},
		{&karpenter.NodeClaim{}, "status.providerID", claim(func(c *karpenter.NodeClaim) string { return c.Status.ProviderID })},
		{&karpenter.NodeClaim{}, "spec.nodeClassRef.group", claim(func(c *karpenter.NodeClaim) string { return c.Spec.NodeClassRef.Group })},
		{&karpenter.NodeClaim{}, "spec.nodeClassRef.kind", claim(func(c *karpenter.NodeClaim) string { return c.Spec.NodeClassRef.Kind })},
		{&karpenter.NodeClaim{}, "spec.nodeClassRef.name", claim(func(c *karpenter.NodeClaim) string { return c.Spec.NodeClassRef.Name })},
		{&karpenter.NodePool{}, "spec.template.spec.nodeClassRef.group", pool(func(r *karpenter.NodeClassReference) string { return r.Group })},
		{&karpenter.NodePool{}, "spec.template.spec.nodeClassRef.kind", pool(func(r *karpenter.NodeClassReference) string { return r.Kind })},
		{&karpenter.NodePool{}, "spec.template.spec.nodeClassRef.name", pool(func(r *karpenter.NodeClassReference) string { return r.Name })},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.read); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", index.object, index.field, err)
		}
	}
	return nil
}
