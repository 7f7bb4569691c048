package podroles

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/podroles"
	"naru.dev/naru/test/env"
	"naru.dev/naru/test/naru"
)

const role = "arn:aws:iam::111122223333:role/app"

// TestPolicies lets a real API server work with the policies.
func TestPolicies(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(env.Start(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	data := Data{
		Cluster: "demo", Region: "naru-kr-1", Server: "https://100.65.0.22", CA: "-----BEGIN CERTIFICATE-----\nMII\"B\n-----END CERTIFICATE-----\n",
		Associations: map[string]string{podroles.AssociationKey("default", "associated"): "a-1"},
	}
	objects, err := Render(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := apply.Objects(t.Context(), c, objects...); err != nil {
		t.Fatal(err)
	}
	account(t, c, "associated", nil)
	account(t, c, "plain", nil)
	account(t, c, "annotated", map[string]string{"eks.amazonaws.com/role-arn": role})
	account(t, c, "annotated-more", map[string]string{"eks.amazonaws.com/role-arn": role, "eks.amazonaws.com/audience": "mine", "eks.amazonaws.com/token-expiration": "7200"})

	t.Run("when there is an association, the pod is told where its role is", func(t *testing.T) {
		pod := told(t, c, "associated", "eks-pod-identity-token")
		wantEnv(t, pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
		wantEnv(t, pod, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token")
		wantEnv(t, pod, "AWS_REGION", "its-own")
		wantToken(t, pod, "eks-pod-identity-token", podroles.Audience, 86400)
		if pod.Annotations["naru.dev/ca-bundle"] != data.CA {
			t.Errorf("the CA: %q", pod.Annotations["naru.dev/ca-bundle"])
		}
	})
	t.Run("when a service account is annotated, the pod gets a token for STS", func(t *testing.T) {
		pod := told(t, c, "annotated", "aws-iam-token")
		wantEnv(t, pod, "AWS_ROLE_ARN", role)
		wantEnv(t, pod, "AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
		wantEnv(t, pod, "AWS_ENDPOINT_URL_STS", data.Server)
		wantToken(t, pod, "aws-iam-token", "sts.amazonaws.com", 86400)
	})
	t.Run("when it says for whom and how long, the token is so", func(t *testing.T) {
		wantToken(t, told(t, c, "annotated-more", "aws-iam-token"), "aws-iam-token", "mine", 7200)
	})
	t.Run("when there is neither, the pod stays as it is", func(t *testing.T) {
		pod := create(t, t.Context(), c, "plain")
		if volume(pod, "aws-iam-token") != nil || volume(pod, "eks-pod-identity-token") != nil || len(pod.Spec.Containers[0].Env) != 1 {
			t.Errorf("%+v", pod.Spec)
		}
	})
}

func account(t *testing.T, c client.Client, name string, annotations map[string]string) {
	t.Helper()
	if err := c.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: annotations}}); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, ctx context.Context, c client.Client, account string) *corev1.Pod {
	t.Helper()
	container := corev1.Container{Name: "main", Image: "none", Env: []corev1.EnvVar{{Name: "AWS_REGION", Value: "its-own"}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: account + "-"}, Spec: corev1.PodSpec{
		ServiceAccountName: account, Containers: []corev1.Container{container}, InitContainers: []corev1.Container{{Name: "first", Image: "none"}}}}
	if err := c.Create(ctx, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// told makes pods until one is told: an API server learns of policies and of their parameters a little later.
func told(t *testing.T, c client.Client, account, name string) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	err := naru.Eventually(t.Context(), "a pod with the volume "+name, time.Minute, func(ctx context.Context) error {
		pod = create(t, ctx, c, account)
		if volume(pod, name) == nil {
			return fmt.Errorf("it has %+v", pod.Spec.Volumes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func volume(pod *corev1.Pod, name string) *corev1.Volume {
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &pod.Spec.Volumes[i]
}

func wantEnv(t *testing.T, pod *corev1.Pod, name, value string) {
	t.Helper()
	env := pod.Spec.Containers[0].Env
	i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
	if i < 0 || env[i].Value != value {
		t.Errorf("%s is not %q: %+v", name, value, env)
	}
	if len(pod.Spec.InitContainers[0].Env) == 0 || len(pod.Spec.InitContainers[0].VolumeMounts) == 0 {
		t.Errorf("init containers are not told: %+v", pod.Spec.InitContainers[0])
	}
}

func wantToken(t *testing.T, pod *corev1.Pod, name, audience string, seconds int64) {
	t.Helper()
	sources := volume(pod, name).Projected.Sources
	if token := sources[0].ServiceAccountToken; token.Audience != audience || *token.ExpirationSeconds != seconds {
		t.Errorf("the token: %+v", token)
	}
	if sources[1].DownwardAPI.Items[0].Path != "ca.crt" {
		t.Errorf("the CA: %+v", sources[1])
	}
}
