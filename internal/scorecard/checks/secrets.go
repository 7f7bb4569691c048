package checks

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/scorecard"
)

// apart is P06: whether a cluster's definition holds anything of its Secrets.
type apart struct {
	// Secrets is how many secret values were looked for, Bytes how long the definitions are.
	Secrets, Bytes int
	// Found are the Secrets that the definitions hold something of.
	Found []string
	// In tells that the credentials, got apart, let in; Out that without them nobody gets in.
	In, Out bool
}

// shortest value that can be looked for in a text without finding it by chance.
const shortestSecret = 12

func (o *apart) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	second, err := lab.Second(ctx)
	if err != nil {
		return err
	}
	definition := second.manifest
	for _, kind := range [][]string{{"cluster", second.Name}, {"nodegroups", "--cluster", second.Name}, {"machines", "--cluster", second.Name}} {
		ran, err := lab.Platform.naru(ctx, scorecard.NewLog(lab.Now), append(append([]string{"get"}, kind...), "-o", "yaml")...)
		if err != nil {
			return err
		}
		definition += ran.Stdout
	}
	o.Bytes = len(definition)
	secrets, err := lab.Platform.Hosting.Kube.CoreV1().Secrets(v1alpha1.Namespace(second.Name)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the cluster's Secrets: %w", err)
	}
	o.Secrets, o.Found = search(definition, secrets.Items)
	log.Add(fmt.Sprintf("look for the values of %d Secrets in %d bytes of manifest, cluster, node groups and machines", len(secrets.Items), o.Bytes),
		fmt.Sprintf("%d values looked for, found: %q", o.Secrets, o.Found))
	_, err = second.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	o.In = err == nil
	log.Add("naru kubeconfig; get namespaces", outcome(err, "let in"))
	stranger, err := second.As("no-token-at-all")
	if err != nil {
		return err
	}
	_, err = stranger.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	o.Out = apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err)
	log.Add("get namespaces, without these credentials", outcome(err, "let in"))
	return nil
}

// search looks for secret values, as they are and in base64.
func search(text string, secrets []corev1.Secret) (looked int, found []string) {
	for _, secret := range secrets {
		for key, value := range secret.Data {
			// A CA's certificate is public; its key is not.
			if len(value) < shortestSecret || !private(value) {
				continue
			}
			looked++
			encoded := base64.StdEncoding.EncodeToString(value)
			if strings.Contains(text, string(value)) || strings.Contains(text, encoded[:len(encoded)/4*4-4]) {
				found = append(found, secret.Name+"/"+key)
			}
		}
	}
	return looked, found
}

// private tells keys, kubeconfigs and tokens from certificates.
func private(value []byte) bool {
	return !bytes.HasPrefix(bytes.TrimSpace(value), []byte("-----BEGIN CERTIFICATE")) && !bytes.HasPrefix(bytes.TrimSpace(value), []byte("-----BEGIN PUBLIC"))
}

func (o apart) judge() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("A cluster's definition holds nothing of its keys and credentials", "클러스터 정의서에는 키와 인증 정보가 들어 있지 않다"),
			o.Secrets > 0 && o.Bytes > 0 && len(o.Found) == 0, "%d secret values looked for in %d bytes; found: %q", o.Secrets, o.Bytes, o.Found),
		claim(1, text("The credentials are kept apart, and nobody gets in without them", "인증 정보는 따로 보관되고, 그것 없이는 접근할 수 없다"),
			o.In && o.Out, "with them let in: %v, without them refused: %v", o.In, o.Out),
	}
}

// atRest is P07: what etcd holds of a Secret.
type atRest struct {
	// Read tells that the API gives the Secret's value back, Stored what etcd holds of it.
	Read   bool
	Stored string
	// Canary is the value, Control what etcd holds of a ConfigMap: it shows that the look into etcd works.
	Canary, Control string
}

func (o *atRest) observe(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	p, err := lab.project(ctx, "P07", log)
	if err != nil {
		return err
	}
	defer p.leave()
	o.Canary = "canary-" + rand.String(24)
	object := metav1.ObjectMeta{Namespace: p.namespace, Name: "canary"}
	secrets := p.Kube.CoreV1().Secrets(p.namespace)
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: object, StringData: map[string]string{"value": o.Canary}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating a Secret: %w", err)
	}
	if _, err := p.Kube.CoreV1().ConfigMaps(p.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: object, Data: map[string]string{"value": o.Canary}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating a ConfigMap: %w", err)
	}
	read, err := secrets.Get(ctx, "canary", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading a Secret: %w", err)
	}
	o.Read = string(read.Data["value"]) == o.Canary
	members, err := lab.Platform.parts(ctx, p.Name, "etcd")
	if err != nil || len(members) == 0 {
		return errors.Join(errors.New("the cluster has no etcd"), err)
	}
	stored := func(kind string) (string, error) {
		key := "/registry/" + kind + "/" + p.namespace + "/canary"
		output, err := lab.Platform.Hosting.Exec(ctx, Command{
			Namespace: members[0].Namespace, Pod: members[0].Name, Container: "etcd", Run: []string{"/usr/local/bin/etcdctl", "get", key, "--print-value-only"},
		})
		log.Add("exec "+members[0].Name+" (hosting cluster) -- etcdctl get "+key, outcome(err, fmt.Sprintf("%d bytes, beginning with %.40q", len(output), output)))
		return output, err
	}
	if o.Control, err = stored("configmaps"); err != nil {
		return err
	}
	o.Stored, err = stored("secrets")
	return err
}

func (o atRest) judge() []scorecard.Claim {
	encrypted := len(o.Stored) > len(o.Canary) && !strings.Contains(o.Stored, o.Canary)
	looked := o.Canary != "" && strings.Contains(o.Control, o.Canary)
	return []scorecard.Claim{
		claim(1, text("Secrets are stored encrypted: etcd does not hold the value that the API gives back", "Secret은 암호화되어 저장된다: etcd에는 API가 돌려주는 값이 없다"),
			o.Read && looked && encrypted, "etcd holds %.24q", o.Stored),
		missing(1, text("Rotation of the encryption keys", "암호화 키 교체")),
	}
}
