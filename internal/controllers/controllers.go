// Package controllers is the one list of what `naru controller` runs.
package controllers

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/cluster"
	"naru.dev/naru/internal/kube/tenant"
)

// NewScheme knows the kinds that controllers use in the hosting cluster and in managed ones.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	return scheme, nil
}

// CacheOptions leave out what no controller reads.
func CacheOptions() cache.Options {
	return cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
}

// Add adds every controller to a manager whose scheme is NewScheme's.
func Add(_ context.Context, manager ctrl.Manager, settings cluster.Settings) error {
	tenants := tenant.New(manager.GetClient(), manager.GetScheme())
	clusters := cluster.NewController(manager.GetClient(), manager.GetAPIReader(), tenants, settings, clock.RealClock{})
	if err := clusters.SetupWithManager(manager); err != nil {
		return fmt.Errorf("adding the cluster controller: %w", err)
	}
	return nil
}
