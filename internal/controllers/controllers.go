// Package controllers is the one list of what `naru controller` runs.
package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/karpenter/pkg/apis"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/authenticator"
	"naru.dev/naru/internal/controllers/cluster"
	"naru.dev/naru/internal/controllers/csr"
	"naru.dev/naru/internal/controllers/fargate"
	"naru.dev/naru/internal/controllers/machine"
	"naru.dev/naru/internal/controllers/machinegc"
	"naru.dev/naru/internal/controllers/nodegroup"
	"naru.dev/naru/internal/controllers/observation"
	"naru.dev/naru/internal/controllers/podroles"
	tenantwatchcontroller "naru.dev/naru/internal/controllers/tenantwatch"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
	"naru.dev/naru/internal/machines/pod"
)

// NewScheme knows the kinds that controllers use in the hosting cluster and in managed ones.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme, addKarpenter,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	return scheme, nil
}

// addKarpenter adds Karpenter's kinds, which it registers with client-go's own scheme only.
func addKarpenter(scheme *runtime.Scheme) error {
	version := schema.GroupVersion{Group: apis.Group, Version: "v1"}
	scheme.AddKnownTypes(version,
		&karpenter.NodeClaim{}, &karpenter.NodeClaimList{}, &karpenter.NodePool{}, &karpenter.NodePoolList{})
	metav1.AddToGroupVersion(scheme, version)
	return nil
}

// CacheOptions leave out what no controller reads.
func CacheOptions() cache.Options {
	return cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
}

// Add adds every controller to a manager whose scheme is NewScheme's.
func Add(ctx context.Context, manager ctrl.Manager, settings cluster.Settings) error {
	hosting, clock := manager.GetClient(), clock.RealClock{}
	tenants := tenant.New(hosting, manager.GetScheme())
	watches, err := tenantwatch.New(tenants, manager.GetLogger())
	if err != nil {
		return fmt.Errorf("watching managed clusters: %w", err)
	}
	add := map[string]func() error{
		"authenticator": func() error {
			return authenticator.NewController(hosting, manager.GetAPIReader(), settings.Authenticator, clock).SetupWithManager(manager)
		},
		"cluster": func() error {
			return cluster.NewController(hosting, manager.GetAPIReader(), tenants, settings, clock).SetupWithManager(manager, watches)
		},
		"csr": func() error {
			return csr.NewController(hosting, tenants, clock).SetupWithManager(manager, watches)
		},
		"fargate": func() error {
			return fargate.NewController(hosting, tenants, clock).SetupWithManager(manager)
		},
		"machine": func() error {
			return machine.NewController(hosting, tenants, pod.New(hosting, clock), clock).SetupWithManager(manager, watches)
		},
		"machinegc": func() error {
			return machinegc.NewController(hosting, tenants, clock).SetupWithManager(ctx, manager, watches)
		},
		"nodegroup": func() error {
			return nodegroup.NewController(hosting, tenants).SetupWithManager(manager)
		},
		"observation": func() error {
			return observation.NewController(hosting, tenants, clock).SetupWithManager(manager)
		},
		"podroles": func() error {
			return podroles.NewController(hosting, tenants, settings.PodRoles, settings.Region, clock).SetupWithManager(manager)
		},
		"tenantwatch": func() error {
			return tenantwatchcontroller.NewController(hosting, watches).SetupWithManager(manager)
		},
	}
	for _, name := range slices.Sorted(maps.Keys(add)) {
		if err := add[name](); err != nil {
			return fmt.Errorf("adding the %s controller: %w", name, err)
		}
	}
	return nil
}
