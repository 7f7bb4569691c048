package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

// ImageError says that a cluster does not get an image that nearly every row needs.
type ImageError struct{ Image, Flag, Why string }

func (e *ImageError) Error() string {
	return fmt.Sprintf("the cluster does not get the image %s (%s): name one that it can pull with %s", e.Image, e.Why, e.Flag)
}

// Images tries whether the shared cluster gets the images that checks use: without them each row would wait for its
// pods in vain. Errors: *ImageError; whatever else is wrong is left to the rows to say.
func (l *Lab) Images(ctx context.Context) error {
	p, err := l.project(ctx, "images", scorecard.NewLog(l.Now))
	if err != nil {
		return nil // the rows say what they can't do
	}
	defer p.leave()
	app := p.shellPod("app", sleeper)
	app.Spec = p.appPod("preflight")
	shell := p.shellPod("shell", sleeper)
	if err := errors.Join(p.submit(ctx, app), p.submit(ctx, shell)); err != nil {
		return nil
	}
	for _, image := range []struct{ pod, name, flag string }{{"app", p.App, "--image"}, {"shell", p.Shell, "--shell-image"}} {
		var refused error
		_ = await(ctx, "pod "+image.pod, podTime, func(ctx context.Context) error { // a pod that waits for something else does so in its row, too
			pod, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, image.pod, metav1.GetOptions{})
			if err != nil || ready(*pod) {
				return err
			}
			why := podTrouble(*pod)
			if pulls(why) {
				refused = &ImageError{Image: image.name, Flag: image.flag, Why: why}
				return nil
			}
			return errors.New(why)
		})
		if refused != nil {
			return refused
		}
	}
	return nil
}

// pulls tells whether it is the pull of an image that keeps a pod.
func pulls(trouble string) bool {
	reason, _, _ := strings.Cut(trouble, " ")
	return reason == "ErrImagePull" || reason == "ImagePullBackOff" || reason == "InvalidImageName"
}
