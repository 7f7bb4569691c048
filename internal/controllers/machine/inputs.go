package machine

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/machines"
	"naru.dev/naru/internal/machines/bootstrap"
)

// Where in the hosting cluster the parts of a machine's bootstrap files are.
const (
	// The first four are in the cluster's namespace.
	caSecret, caKey    = "ca", corev1.TLSCertKey
	kubeProxySecret    = "kubeconfig-kube-proxy"
	agentSecret        = "kubeconfig-agent"
	konnectivitySecret = "konnectivity-agent"
	// registryService and registryCA are in Naru's own.
	registryService         = "registry"
	registryCA, registryKey = "registry-ca", corev1.TLSCertKey
	pauseImage              = "pause"
	apiServerPort           = 6443
)

// firstImages are what the first pods of a cluster run. Those of what comes when the cluster is ready are pulled by the node that
// gets them.
func firstImages() []string { return []string{"coredns"} }

// waitError says what is not there yet. It is no failure: whoever makes it is at work.
type waitError struct{ what string }

func (e *waitError) Error() string { return e.what + " is not there yet" }

// inputs are what a blueprint is made of, beside the Machine.
type inputs struct {
	cluster   bootstrap.Cluster
	authority pki.Material
	class     v1alpha1.MachineClassSpec
}

func (in inputs) blueprint(machine *v1alpha1.Machine, identity bootstrap.Identity) (machines.Blueprint, error) {
	files, err := bootstrap.Files(in.cluster, machine, in.class, identity)
	if err != nil {
		return machines.Blueprint{}, fmt.Errorf("writing bootstrap files of %s: %w", machine.Name, err)
	}
	return machines.Blueprint{Machine: machine, Class: in.class, Files: files}, nil
}

// gather reads the inputs; a waitError names the first that is missing.
func (c *Controller) gather(ctx context.Context, s *scope) (inputs, error) {
	if s.inside == nil && !s.ahead() {
		return inputs{}, &waitError{"the kubeconfig of cluster " + s.cluster.Name}
	}
	if s.cluster.Status.Endpoint.Address == "" {
		return inputs{}, &waitError{"the address of cluster " + s.cluster.Name}
	}
	in := inputs{cluster: bootstrap.Cluster{
		Early:       !s.machine.Claimed(),
		Server:      "https://" + net.JoinHostPort(s.cluster.Status.Endpoint.Address, strconv.Itoa(apiServerPort)),
		PodCIDR:     s.cluster.Spec.Networking.PodCIDR,
		ServiceCIDR: s.cluster.Spec.Networking.ServiceCIDR,
	}}
	for _, read := range []func(context.Context, *scope, *inputs) error{c.readClass, c.readCredentials, c.readPause, c.readRegistry} {
		if err := read(ctx, s, &in); err != nil {
			return inputs{}, err
		}
	}
	return in, nil
}

func (c *Controller) readClass(ctx context.Context, s *scope, in *inputs) error {
	var class v1alpha1.MachineClass
	err := c.get(ctx, "", s.machine.Spec.MachineClass, &class, "the machine class "+s.machine.Spec.MachineClass)
	in.class = class.Spec
	return err
}

func (c *Controller) readCredentials(ctx context.Context, s *scope, in *inputs) error {
	for _, part := range []struct {
		name, key string
		to        *[]byte
	}{
		{caSecret, caKey, &in.cluster.CA},
		{caSecret, corev1.TLSPrivateKeyKey, &in.authority.Key},
		{kubeProxySecret, tenant.KubeconfigKey, &in.cluster.KubeProxy},
		{agentSecret, tenant.KubeconfigKey, &in.cluster.Agent},
		{konnectivitySecret, corev1.TLSCertKey, &in.cluster.Konnectivity},
		{konnectivitySecret, corev1.TLSPrivateKeyKey, &in.cluster.KonnectivityKey},
	} {
		var secret corev1.Secret
		what := "the Secret " + s.machine.Namespace + "/" + part.name
		if err := c.get(ctx, s.machine.Namespace, part.name, &secret, what); err != nil {
			return err
		}
		if *part.to = secret.Data[part.key]; len(*part.to) == 0 {
			return &waitError{"key " + part.key + " of " + what}
		}
	}
	in.authority.Certificate = in.cluster.CA
	return nil
}

func (c *Controller) readPause(ctx context.Context, s *scope, in *inputs) error {
	var release v1alpha1.Release
	if err := c.get(ctx, "", s.cluster.Spec.Version, &release, "the release "+s.cluster.Spec.Version); err != nil {
		return err
	}
	in.cluster.PauseImage = release.Spec.Images[pauseImage]
	for _, name := range firstImages() {
		if image := release.Spec.Images[name]; image != "" {
			in.cluster.FirstImages = append(in.cluster.FirstImages, image)
		}
	}
	if in.cluster.PauseImage == "" {
		return &waitError{"the image " + pauseImage + " of release " + release.Name}
	}
	return nil
}

func (c *Controller) readRegistry(ctx context.Context, _ *scope, in *inputs) error {
	var service corev1.Service
	what := "the Service " + v1alpha1.SystemNamespace + "/" + registryService
	if err := c.get(ctx, v1alpha1.SystemNamespace, registryService, &service, what); err != nil {
		return err
	}
	if service.Spec.ClusterIP == "" || len(service.Spec.Ports) == 0 {
		return &waitError{"the address of " + what}
	}
	in.cluster.RegistryAddress = net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(service.Spec.Ports[0].Port)))
	var authority corev1.Secret
	what = "the Secret " + v1alpha1.SystemNamespace + "/" + registryCA
	if err := c.get(ctx, v1alpha1.SystemNamespace, registryCA, &authority, what); err != nil {
		return err
	}
	if in.cluster.RegistryCA = authority.Data[registryKey]; len(in.cluster.RegistryCA) == 0 {
		return &waitError{"key " + registryKey + " of " + what}
	}
	return nil
}

// get turns "not found" into a waitError.
func (c *Controller) get(ctx context.Context, namespace, name string, into client.Object, what string) error {
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return &waitError{what}
	} else if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}
