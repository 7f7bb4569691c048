package standalone

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/base"
	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
)

// Register gives a release to the platform that runs with this state: its images to the registry, its Release to the API,
// so that clusters can have its version. It does nothing, and says so, where no platform runs.
func Register(ctx context.Context, state layout.State, built *release.Built, progress release.Progress) (registered bool, err error) {
	if _, running, err := daemon.Running(state); err != nil || !running {
		return false, err
	}
	u := &upper{Options: Options{State: state, Progress: progress}, built: built, running: true}
	c, err := u.connect(ctx)
	if err != nil {
		return false, err
	}
	return true, u.register(ctx, c)
}

// register pushes images before it names them.
func (u *upper) register(ctx context.Context, c client.Client) error {
	if err := u.step("pushing images", func() (string, error) { return "", u.push(ctx) }); err != nil {
		return err
	}
	kubernetes, image := base.Release(u.input())
	return u.step("registering Kubernetes "+u.built.Kubernetes, func() (string, error) {
		return "", apply.Typed(ctx, c, image, kubernetes)
	})
}

func (u *upper) input() base.Input {
	return base.Input{Minor: u.built.Minor, Kubernetes: u.built.Kubernetes, Images: u.built.Refs(), Hosts: u.hosts}
}
