package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

// registryRows are the rows about images: one experiment.
func registryRows(lab *Lab) []scorecard.Check {
	pushed := &experiment[images]{name: "A08", limit: medium, observe: func(ctx context.Context, p *project, o *images) error {
		return o.observe(ctx, lab, p)
	}}
	row := func(id string, judge func(images) []scorecard.Claim) scorecard.Check {
		return pushed.row(lab, trial[images]{row: id, needs: scorecard.PlatformAPI, judge: judge})
	}
	return []scorecard.Check{row("A08", images.service), row("A09", images.management), row("A12", images.versions)}
}

// images is what came of pushing two versions of an image and running them.
type images struct {
	// Content is what is in each version, Digest what the registry calls it.
	Content, Digest [2]string
	// Ran is what the pods said that ran the first, the second and, by its digest, the first again.
	Ran [3]string
	// Revisions are the images that the deployment's history names.
	Revisions []string
	// Deleted tells that the second was deleted, is not listed any more, and the first still is.
	Deleted bool
	Took    time.Duration
}

// repository is where the evaluation pushes to; Close takes its tags away.
const repository = "naru-evaluate/app"

func (o *images) observe(ctx context.Context, lab *Lab, p *project) error {
	platform := lab.Platform
	began := time.Now()
	var references [2]string
	for i := range references {
		var err error
		if references[i], err = o.push(ctx, lab, p.log, i); err != nil {
			return err
		}
	}
	o.Took = time.Since(began)
	listed, err := platform.naru(ctx, p.log, "image", "list", "-o", "json")
	if err != nil {
		return err
	}
	for i, reference := range references {
		if o.Digest[i] = digestIn(listed.Stdout, reference); o.Digest[i] == "" {
			return fmt.Errorf("%s is not listed", reference)
		}
	}
	name, _, _ := strings.Cut(references[0], ":1")
	pinned := name + "@" + o.Digest[0]
	for i, image := range []string{references[0], references[1], pinned} {
		if o.Ran[i], err = p.runImage(ctx, image, i == 0); err != nil {
			return err
		}
	}
	sets, err := p.Kube.AppsV1().ReplicaSets(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: appLabel + "=image"})
	if err != nil {
		return fmt.Errorf("listing revisions: %w", err)
	}
	for _, set := range sets.Items {
		o.Revisions = append(o.Revisions, set.Annotations[revisionAnnotation]+": "+set.Spec.Template.Spec.Containers[0].Image)
	}
	p.log.Add("rollout history deployment/image", strings.Join(o.Revisions, ", "))
	if _, err := platform.naru(ctx, p.log, "image", "delete", fmt.Sprintf("%s:2", repository)); err != nil {
		return err
	}
	if listed, err = platform.naru(ctx, p.log, "image", "list", "-o", "json"); err != nil {
		return err
	}
	o.Deleted = digestIn(listed.Stdout, references[1]) == "" && digestIn(listed.Stdout, references[0]) == o.Digest[0]
	return nil
}

// push makes and pushes a version, and returns the reference that naru prints.
func (o *images) push(ctx context.Context, lab *Lab, log *scorecard.Log, i int) (string, error) {
	o.Content[i] = fmt.Sprintf("version %d, %s", i+1, rand.String(10))
	archive, err := lab.Platform.Image(ctx, o.Content[i])
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(archive) // a temporary folder
	name := fmt.Sprintf("%s:%d", repository, i+1)
	if err := lab.Platform.noteImage(name, lab.Keeper); err != nil {
		return "", err
	}
	ran, err := lab.Platform.Naru(ctx, "", "image", "push", archive, "--as", name)
	log.Add("naru image push FOLDER --as "+name, ran.String()) // where this machine keeps it is nobody's business
	reference := strings.TrimSpace(ran.Stdout)
	if err == nil && reference == "" {
		err = errors.New("naru image push prints no reference")
	}
	return reference, err
}

// digestIn finds the digest of a reference in what `naru image list -o json` prints.
func digestIn(listed, reference string) string {
	_, after, found := strings.Cut(listed, fmt.Sprintf("%q", reference))
	if !found {
		return ""
	}
	_, after, _ = strings.Cut(after, `"digest":`)
	parts := strings.SplitN(after, `"`, 3)
	if len(parts) < 3 || !strings.HasPrefix(parts[1], "sha256:") {
		return ""
	}
	return parts[1]
}

// runImage runs an image and returns what its file says.
func (p *project) runImage(ctx context.Context, image string, first bool) (string, error) {
	script := "cat /version; " + sleeper
	if first {
		app := p.appDeployment("image", "", 1)
		app.Spec.Template.Spec = podSpec(nobody, shellContainer("app", image, script))
		app.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
		if err := p.create(ctx, app); err != nil {
			return "", err
		}
	} else {
		err := p.change(ctx, "image", "set image to "+image, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image })
		if err := errors.Join(err, p.rolledOut(ctx, "image", podTime)); err != nil {
			return "", err
		}
	}
	pods, err := p.pods(ctx, "image")
	if err != nil || len(pods) == 0 {
		return "", errors.Join(errors.New("the deployment has no pod"), err)
	}
	said, err := p.sh(ctx, pods[len(pods)-1].Name, "cat /version")
	p.log.Add("exec "+pods[len(pods)-1].Name+" -- cat /version", outcome(err, said))
	return strings.TrimSpace(said), err
}

func (o images) ran() bool {
	return o.Content[0] != "" && o.Ran == [3]string{o.Content[0], o.Content[1], o.Content[0]}
}

func (o images) listed() bool {
	return o.Digest[0] != "" && o.Digest[1] != "" && o.Digest[0] != o.Digest[1]
}

func (o images) service() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A registry comes with the platform: an image is pushed and listed with nothing to install", "레지스트리가 함께 제공된다: 설치 없이 이미지를 푸시하고 조회한다"), o.listed(), "two images pushed in %s", seconds(o.Took)),
		claim(1, text("Every cluster pulls from it without being told how", "모든 클러스터가 별도 설정 없이 이미지를 받는다"), o.ran(), "%q", o.Ran),
	}
}

func (o images) management() []scorecard.Claim {
	return []scorecard.Claim{
		claim(0.5, text("A repository is made by the first push, and its tags are listed with digest and size", "첫 푸시로 저장소가 만들어지고, 태그가 다이제스트·크기와 함께 조회된다"), o.listed(), "%q", o.Digest),
		claim(0.25, text("A tag is deleted, and others stay", "태그를 삭제하면 다른 태그는 남는다"), o.Deleted, "%t", o.Deleted),
		missing(0.25, text("Rules of how long tags are kept", "태그 보존 규칙")),
	}
}

func (o images) versions() []scorecard.Claim {
	named := len(o.Revisions) >= 2
	return []scorecard.Claim{
		claim(1, text("Versions of an image are kept side by side, each with its digest", "이미지 버전들이 각자의 다이제스트로 함께 보관된다"), o.listed(), "%q", o.Digest),
		claim(1, text("A version is run by tag, replaced by the next, and run again by digest", "태그로 실행하고, 다음 버전으로 교체하고, 다이제스트로 다시 실행한다"), o.ran(), "%q", o.Ran),
		claim(1, text("An application's history names the image of each revision", "애플리케이션 이력에 리비전별 이미지가 남는다"), named && o.ran(), "%s", strings.Join(o.Revisions, ", ")),
	}
}
