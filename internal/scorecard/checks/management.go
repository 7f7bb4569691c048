package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/scorecard"
)

func platformManagement(lab *Lab) []scorecard.Check {
	return []scorecard.Check{
		inProject[volumes]{row: "P31", limit: medium, observe: observeVolumes, judge: volumes.judge}.check(lab),
	}
}

// volumes is P31: a volume from claim to reclaim.
type volumes struct {
	// Volume is the one that was made for the claim; Class its storage class.
	Volume, Class string
	// Kept is what another pod read of what the first had written.
	Kept string
	// Reclaimed tells that the volume went after its claim.
	Reclaimed bool
	// Enforced tells that more than was claimed could not be written.
	Enforced bool
	Wrote    string
}

const volumeContent = "written by the first pod"

func observeVolumes(ctx context.Context, p *project, o *volumes) error {
	if err := p.withVolume(ctx, "first", "data", "16Mi"); err != nil {
		return err
	}
	claimed, err := p.Kube.CoreV1().PersistentVolumeClaims(p.namespace).Get(ctx, "data", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the claim: %w", err)
	}
	volume, err := p.Kube.CoreV1().PersistentVolumes().Get(ctx, claimed.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the volume of the claim: %w", err)
	}
	o.Volume, o.Class = volume.Name, volume.Spec.StorageClassName
	p.log.Add("get pvc data", "bound to "+o.Volume+" of class "+o.Class)
	if _, err := p.sh(ctx, "first", "echo "+volumeContent+" >/volume/file && sync"); err != nil {
		return fmt.Errorf("writing to the volume: %w", err)
	}
	if err := p.remove(ctx, "first"); err != nil {
		return err
	}
	again := p.shellPod("again", sleeper)
	mount(&again.Spec, "data", "/volume")
	if err := p.start(ctx, again); err != nil {
		return err
	}
	got, err := p.sh(ctx, "again", "cat /volume/file")
	o.Kept = strings.TrimSpace(got)
	p.log.Add("another pod: cat /volume/file", outcome(err, o.Kept))
	if err != nil {
		return err
	}
	o.Wrote, err = p.sh(ctx, "again", "dd if=/dev/zero of=/volume/more bs=1M count=64 2>&1 && echo written; rm -f /volume/more")
	p.log.Add("another pod: write 64 MiB to the volume of 16 MiB", outcome(err, strings.TrimSpace(o.Wrote)))
	o.Enforced = err == nil && strings.Contains(o.Wrote, "No space left")
	if err := p.remove(ctx, "again"); err != nil {
		return err
	}
	return o.reclaim(ctx, p)
}

func (o *volumes) reclaim(ctx context.Context, p *project) error {
	began := time.Now()
	if err := p.Kube.CoreV1().PersistentVolumeClaims(p.namespace).Delete(ctx, "data", metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting the claim: %w", err)
	}
	err := await(ctx, "the volume to be gone", 90*time.Second, func(ctx context.Context) error {
		_, err := p.Kube.CoreV1().PersistentVolumes().Get(ctx, o.Volume, metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	o.Reclaimed = err == nil
	p.log.Add("delete pvc data", outcome(err, "volume "+o.Volume+" was gone after "+seconds(time.Since(began))))
	return err
}

func (o volumes) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1.5, text("A claim gets a volume, and it keeps its data when its pod is replaced", "요청하면 볼륨이 할당되고, 파드가 교체되어도 데이터가 유지된다"),
			o.Volume != "" && o.Kept == volumeContent, "volume %s of class %s; read back: %q", o.Volume, o.Class, o.Kept),
		claim(1.5, text("The volume of a deleted claim is reclaimed by itself", "요청을 삭제하면 볼륨이 자동으로 회수된다"), o.Volume != "" && o.Reclaimed, "reclaimed: %v", o.Reclaimed),
		claim(1, text("A volume holds no more than was claimed", "볼륨은 요청한 용량까지만 쓸 수 있다"), o.Enforced, "64 MiB into a volume of 16 MiB: %s", lastLines(o.Wrote, 1)),
	}
}

// withVolume starts a pod with a shell and a volume at /volume.
func (p *project) withVolume(ctx context.Context, pod, claim, size string) error {
	if _, err := p.Kube.CoreV1().PersistentVolumeClaims(p.namespace).Create(ctx, volumeClaim(p.namespace, claim, size), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the claim %s: %w", claim, err)
	}
	user := p.shellPod(pod, sleeper)
	mount(&user.Spec, claim, "/volume")
	if err := p.start(ctx, user); err != nil {
		return err
	}
	return await(ctx, "a bound claim", 10*time.Second, func(ctx context.Context) error {
		found, err := p.Kube.CoreV1().PersistentVolumeClaims(p.namespace).Get(ctx, claim, metav1.GetOptions{})
		if err == nil && found.Status.Phase != corev1.ClaimBound {
			err = fmt.Errorf("it is %s", found.Status.Phase)
		}
		return err
	})
}

// remove deletes a pod and waits until it is gone.
func (p *project) remove(ctx context.Context, pod string) error {
	pods := p.Kube.CoreV1().Pods(p.namespace)
	if err := pods.Delete(ctx, pod, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting pod %s: %w", pod, err)
	}
	return await(ctx, "pod "+pod+" to be gone", time.Minute, func(ctx context.Context) error {
		_, err := pods.Get(ctx, pod, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = errors.New("it is still there")
		}
		return err
	})
}

// submit makes a pod and does not wait for it.
func (p *project) submit(ctx context.Context, pod *corev1.Pod) error {
	if _, err := p.Kube.CoreV1().Pods(p.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating pod %s: %w", pod.Name, err)
	}
	return nil
}

// unscheduled is what the scheduler says of a pod that it can't place; an error when it was placed.
func (p *project) unscheduled(ctx context.Context, name string) (string, error) {
	pod, err := p.Kube.CoreV1().Pods(p.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if pod.Spec.NodeName != "" {
		return "", fmt.Errorf("it was placed on %s", pod.Spec.NodeName)
	}
	return podTrouble(*pod), nil
}
