package evaluation

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/internal/registry"
	"naru.dev/naru/internal/scorecard/checks"
)

// The images that a cluster which is not Naru's is evaluated with.
const (
	defaultImage      = "registry.naru.local/hello:1"
	defaultShellImage = "busybox:1.36"
)

// open connects to what is evaluated. Nothing is made yet.
func open(ctx context.Context, o Options) (*session, error) {
	if o.Kubeconfig != "" {
		return openKubeconfig(ctx, o)
	}
	return openPlatform(ctx, o)
}

func openKubeconfig(ctx context.Context, o Options) (*session, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.Kubeconfig}, nil)
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, &UsageError{fmt.Errorf("reading the kubeconfig %s: %w", o.Kubeconfig, err)}
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, &UsageError{fmt.Errorf("reading the kubeconfig %s: %w", o.Kubeconfig, err)}
	}
	if err := usable(ctx, config); err != nil {
		return nil, err
	}
	called := raw.CurrentContext
	if called == "" {
		called = config.Host
	}
	cluster, err := checks.Connect(called, config, or(o.Image, defaultImage), or(o.ShellImage, defaultShellImage))
	if err != nil {
		return nil, err
	}
	lab := &checks.Lab{Keep: o.Keep, Now: o.Now, Open: func(context.Context) (*checks.Cluster, bool, error) { return cluster, false, nil }}
	return &session{lab: lab, name: called, subject: "the cluster at " + config.Host}, nil
}

func or(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

// usable asks whether the cluster answers and lets its user do what checks do.
func usable(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = 15 * time.Second
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return &UsageError{fmt.Errorf("reading the kubeconfig: %w", err)}
	}
	_, err = kube.Discovery().ServerVersion()
	if apierrors.IsUnauthorized(err) {
		return &RightsError{Server: config.Host, Missing: []string{"log in (its credentials are refused)"}}
	}
	if err != nil && !apierrors.IsForbidden(err) {
		return &UnreachableError{Server: config.Host, Err: err}
	}
	var missing []string
	for _, right := range []authorizationv1.ResourceAttributes{
		{Verb: "create", Resource: "namespaces"}, {Verb: "delete", Resource: "namespaces"}, {Verb: "create", Resource: "pods", Namespace: "naru-eval"},
		{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "naru-eval"}, {Verb: "list", Resource: "nodes"},
	} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &right}}
		answer, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
			return &RightsError{Server: config.Host, Missing: []string{"log in (its credentials are refused)"}}
		}
		if err != nil {
			return &UnreachableError{Server: config.Host, Err: err}
		}
		if !answer.Status.Allowed {
			what := right.Verb + " " + right.Resource
			if right.Subresource != "" {
				what += "/" + right.Subresource
			}
			missing = append(missing, what)
		}
	}
	if len(missing) > 0 {
		return &RightsError{Server: config.Host, Missing: missing}
	}
	return nil
}

func openPlatform(ctx context.Context, o Options) (*session, error) {
	p, err := platform.Open()
	if err != nil {
		return nil, err
	}
	b := backend.New(p.Client)
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	if len(catalogue.Releases) == 0 {
		return nil, errors.New(`there is no release that a cluster could run: build one with "naru release build"`)
	}
	images := catalogue.Releases[0].Spec.Images
	app, shell := or(o.Image, images["hello"]), or(o.ShellImage, images["busybox"])
	connect := func(ctx context.Context, cluster string) (*checks.Cluster, error) {
		found, err := b.Cluster(ctx, cluster)
		if err != nil {
			return nil, err
		}
		config, err := p.TenantConfig(ctx, found)
		if err != nil {
			return nil, err
		}
		return checks.Connect(cluster, config, app, shell)
	}
	hosting, err := checks.Connect("hosting cluster", p.Config, app, shell)
	if err != nil {
		return nil, err
	}
	side := &checks.Platform{
		Naru: checks.Program(o.Binary), Hosting: hosting, Connect: connect,
		Login: func(kubeconfig string) (*checks.Cluster, error) {
			config, err := clientcmd.RESTConfigFromKubeConfig([]byte(kubeconfig))
			if err != nil {
				return nil, fmt.Errorf("reading the kubeconfig that naru prints: %w", err)
			}
			return checks.Connect("the cluster", config, app, shell)
		},
		Image:    imageMaker(p, images["busybox"]),
		Accounts: newAccounts(b, o.Binary),
	}
	lab := &checks.Lab{Platform: side, Keep: o.Keep, Now: o.Now}
	s := &session{lab: lab, name: "Naru", subject: "Naru"}
	lab.Open = lab.CreateMain
	if o.Cluster != "" {
		cluster, err := connect(ctx, o.Cluster) // that there is none should be said before anything is made
		if err != nil {
			return nil, err
		}
		s.subject += "'s cluster " + o.Cluster
		lab.Open = func(context.Context) (*checks.Cluster, bool, error) { return cluster, false, nil }
	}
	return s, nil
}

// imageMaker makes images: the shell's, with a file on top.
func imageMaker(p *platform.Platform, base string) func(ctx context.Context, version string) (string, error) {
	return func(ctx context.Context, version string) (string, error) {
		r, err := registry.Open(p.State)
		if err != nil {
			return "", err
		}
		image, err := r.Pull(ctx, base)
		if err != nil {
			return "", err
		}
		var layer bytes.Buffer
		w := tar.NewWriter(&layer)
		content := []byte(version + "\n")
		header := &tar.Header{Name: "version", Mode: 0o444, Size: int64(len(content))}
		if err := errors.Join(w.WriteHeader(header), write(w, content), w.Close()); err != nil {
			return "", fmt.Errorf("making an image: %w", err)
		}
		top, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
		if err != nil {
			return "", fmt.Errorf("making an image: %w", err)
		}
		if image, err = mutate.AppendLayers(image, top); err != nil {
			return "", fmt.Errorf("making an image: %w", err)
		}
		folder, err := os.MkdirTemp("", "naru-evaluate-")
		if err != nil {
			return "", fmt.Errorf("making an image: %w", err)
		}
		// Not Docker's form, which takes all layers for compressed when the first one is.
		path, err := layout.Write(folder, empty.Index)
		if err == nil {
			err = path.AppendImage(image)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("writing an image: %w", err), os.RemoveAll(folder))
		}
		return folder, nil
	}
}

func write(w io.Writer, content []byte) error {
	_, err := w.Write(content)
	return err
}
