//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/token"
	"naru.dev/naru/test/naru"
)

const (
	awsRegion = "naru-kr-1"
	// revocation is how long a key that was deleted may still be good for.
	revocation = 10 * time.Second
	// authenticatorName is the Deployment's and the Service's.
	authenticatorName = "naru-authenticator"
	viewer            = "e2e-viewer"
)

// access is the cluster that testEKS has made, seen by those who show it tokens of the EKS API.
type access struct {
	awsClients
	w      *world
	config *rest.Config
}

// testAccess lets users in, keeps them out, and takes away what lets them in.
func testAccess(t *testing.T, w *world, a awsClients) {
	x := newAccess(t, w, a)
	t.Run("when its creator shows a token, it is the cluster's administrator", func(t *testing.T) { x.creatorEnters(t) })
	t.Run("when kubectl asks naru token, it is let in", func(t *testing.T) { x.kubectlEnters(t) })
	t.Run("when the AWS CLI is there, its kubeconfig works", func(t *testing.T) { x.cliEnters(t) })
	t.Run("when a machine looks at the authenticator, it reaches nothing", func(t *testing.T) { x.outOfReach(t) })
	key := x.newViewer(t)
	t.Run("when an access policy is scoped to namespaces, it holds there only", func(t *testing.T) { x.viewerReads(t, key) })
	t.Run("when a role is assumed, its session is let in as its entry says", func(t *testing.T) { x.sessionEnters(t) })
	t.Run("when a token is for another cluster, it is refused", func(t *testing.T) {
		x.unauthorized(t, x.connect(t, x.token(t, "other", x.signer.Key)))
	})
	t.Run("when naru server and a pod of the authenticator are replaced, no request fails", func(t *testing.T) { x.replaces(t) })
	t.Run("when an access key is deleted, it is refused within 10 s", func(t *testing.T) { x.revokes(t, key) })
	t.Run("when there is no authenticator, certificates go on", func(t *testing.T) { x.goesOn(t) })
}

// newAccess knows of the cluster what DescribeCluster tells, as `aws eks update-kubeconfig` does.
func newAccess(t *testing.T, w *world, a awsClients) *access {
	t.Helper()
	described, err := a.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(eksCluster)})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := base64.StdEncoding.DecodeString(*described.Cluster.CertificateAuthority.Data)
	if err != nil {
		t.Fatal(err)
	}
	return &access{awsClients: a, w: w,
		config: &rest.Config{Host: *described.Cluster.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, Timeout: 20 * time.Second}}
}

func (x *access) token(t *testing.T, cluster string, key sigv4.Key) string {
	t.Helper()
	text, err := token.Create(cluster, key, awsRegion, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// connect connects with a token.
func (x *access) connect(t *testing.T, text string) *cluster {
	t.Helper()
	config := rest.CopyConfig(x.config)
	config.BearerToken = text
	c, err := connect(eksCluster, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// presigned is a token as every client of AWS makes it, here by its SDK: for the address of STS that the client knows.
func (x *access) presigned(t *testing.T) string {
	t.Helper()
	request, err := sts.NewPresignClient(x.sts).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
			smithyhttp.AddHeaderValue("X-K8s-Aws-Id", eksCluster), smithyhttp.AddHeaderValue("X-Amz-Expires", "60")))
	})
	if err != nil {
		t.Fatal(err)
	}
	return token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(request.URL))
}

func (x *access) creatorEnters(t *testing.T) {
	for kind, text := range map[string]string{"the SDK's": x.presigned(t), "Naru's": x.token(t, eksCluster, x.signer.Key)} {
		c := x.connect(t, text)
		me, err := c.kube.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil || !strings.HasSuffix(me.Status.UserInfo.Username, ":user/"+bootstrap.AdminUser) {
			t.Fatalf("%s token: %+v, %v", kind, me, err)
		}
		if _, err := c.kube.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("%s token: %v", kind, err)
		}
		for _, name := range []string{"team-a", "other"} {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if _, err := c.kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); client.IgnoreAlreadyExists(err) != nil {
				t.Errorf("%s token: %v", kind, err)
			}
		}
	}
}

// kubectlEnters gives kubectl the kubeconfig that `aws eks update-kubeconfig` writes, with naru in the place of aws.
func (x *access) kubectlEnters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: it
  cluster: {server: %q, certificate-authority-data: %q}
users:
- name: it
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: %q, args: [token, --cluster, %q], interactiveMode: Never}
contexts:
- name: it
  context: {cluster: it, user: it}
current-context: it
`, x.config.Host, base64.StdEncoding.EncodeToString(x.config.CAData), x.w.cli.Binary, eksCluster)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	x.kubectl(t, path, x.environment(t))
}

// kubectl asks who it is and for the nodes.
func (x *access) kubectl(t *testing.T, kubeconfig string, environment []string) {
	t.Helper()
	program, err := naru.Program("kubernetes", "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"auth whoami": ":user/" + bootstrap.AdminUser, "get nodes": "Ready"} {
		kubectl := exec.CommandContext(t.Context(), program, strings.Fields(command)...)
		kubectl.Env = append(environment, "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+t.TempDir())
		if result, err := naru.Run(kubectl); err != nil || !strings.Contains(result.Stdout, want) {
			t.Errorf("kubectl %s: %v\n%s", command, err, result.Stdout)
		}
	}
}

// environment lets AWS's tools find this Naru, and the administrator's key, in nobody's files.
func (x *access) environment(t *testing.T) []string {
	t.Helper()
	folder := t.TempDir()
	return append(os.Environ(), "AWS_CONFIG_FILE="+filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"),
		"AWS_ACCESS_KEY_ID="+x.signer.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+x.signer.Key.Secret, "AWS_REGION="+awsRegion, "AWS_DEFAULT_REGION="+awsRegion)
}

// cliEnters lets the AWS CLI do all of it, where the machine has one.
func (x *access) cliEnters(t *testing.T) {
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("this machine has no AWS CLI")
	}
	kubeconfig, bundle := filepath.Join(t.TempDir(), "kubeconfig"), filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, x.signer.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	environment := append(x.environment(t), "AWS_CA_BUNDLE="+bundle, "AWS_ENDPOINT_URL="+serverURL(), "AWS_PAGER=")
	command := exec.CommandContext(t.Context(), program, "eks", "update-kubeconfig", "--name", eksCluster, "--kubeconfig", kubeconfig)
	command.Env = environment
	if _, err := naru.Run(command); err != nil {
		t.Fatal(err)
	}
	x.kubectl(t, kubeconfig, environment)
}

// outOfReach tries to reach the authenticator from a machine, as its root, which a tenant may become.
func (x *access) outOfReach(t *testing.T) {
	hosting := x.w.hosting(t)
	machines, err := x.w.componentPods(t, t.Context(), eksCluster)
	if err != nil || len(machines[nodeComponent]) == 0 {
		t.Fatalf("there is no machine to look from: %v", err)
	}
	service, err := hosting.kube.CoreV1().Services(v1alpha1.SystemNamespace).Get(t.Context(), authenticatorName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{net.JoinHostPort(service.Spec.ClusterIP, "443"): false, frontOf(t, hosting, eksCluster): true}
	for _, pod := range x.authenticators(t) {
		targets[net.JoinHostPort(pod.Status.PodIP, "8443")], targets[net.JoinHostPort(pod.Status.PodIP, "8081")] = false, false
	}
	for target, reachable := range targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.w.cli.Kubectl(t.Context(), naru.Hosting, "-n", v1alpha1.Namespace(eksCluster), "exec", machines[nodeComponent][0].Name, "--",
			"timeout", "3", "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%s", host, port))
		if reached := err == nil; reached != reachable {
			t.Errorf("%s: reached is %v, want %v: %v", target, reached, reachable, err)
		}
	}
}

// frontOf is the front's address, which every machine of a cluster reaches.
func frontOf(t *testing.T, hosting *cluster, name string) string {
	t.Helper()
	front, err := hosting.kube.CoreV1().Services(v1alpha1.Namespace(name)).Get(t.Context(), "front", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(front.Spec.ClusterIP, fmt.Sprint(front.Spec.Ports[0].Port))
}

func (x *access) authenticators(t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := x.w.hosting(t).kube.CoreV1().Pods(v1alpha1.SystemNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + authenticatorName})
	if err != nil || len(pods.Items) < 2 {
		t.Fatalf("there are %d authenticators, want 2: %v", len(pods.Items), err)
	}
	return pods.Items
}

// newViewer makes a user with a key, and an entry that lets her see namespaces that begin with team-.
func (x *access) newViewer(t *testing.T) sigv4.Key {
	t.Helper()
	user, err := x.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(viewer)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := x.iam.DeleteUser(context.WithoutCancel(t.Context()), &iam.DeleteUserInput{UserName: aws.String(viewer)}); err != nil {
			t.Errorf("deleting the user: %v", err)
		}
	})
	made, err := x.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String(viewer)})
	if err != nil {
		t.Fatal(err)
	}
	key := sigv4.Key{AccessKeyID: *made.AccessKey.AccessKeyId, Secret: *made.AccessKey.SecretAccessKey}
	t.Run("when a user has no access entry, she is refused", func(t *testing.T) { x.unauthorized(t, x.connect(t, x.token(t, eksCluster, key))) })
	if _, err := x.eks.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String(eksCluster), PrincipalArn: user.User.Arn}); err != nil {
		t.Fatal(err)
	}
	_, err = x.eks.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{ClusterName: aws.String(eksCluster), PrincipalArn: user.User.Arn,
		PolicyArn:   aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"),
		AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"team-*"}}})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (x *access) unauthorized(t *testing.T, c *cluster) {
	t.Helper()
	if _, err := c.kube.CoreV1().Pods("team-a").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v, want Unauthorized", err)
	}
}

// sessionEnters shows a token that is signed with temporary credentials, of which nothing is stored.
func (x *access) sessionEnters(t *testing.T) {
	const name, group = "e2e-dev", "e2e-devs"
	admin, err := x.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":%q}}]}`, *admin.Arn)
	role, err := x.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String(name), Path: aws.String("/team/"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := x.iam.DeleteRole(context.WithoutCancel(t.Context()), &iam.DeleteRoleInput{RoleName: aws.String(name)}); err != nil {
			t.Errorf("deleting the role: %v", err)
		}
	})
	_, err = x.eks.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String(eksCluster), PrincipalArn: role.Role.Arn, KubernetesGroups: []string{group}})
	if err != nil {
		t.Fatal(err)
	}
	session, err := x.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("alice")})
	if err != nil {
		t.Fatal(err)
	}
	key := sigv4.Key{AccessKeyID: *session.Credentials.AccessKeyId, Secret: *session.Credentials.SecretAccessKey, SessionToken: *session.Credentials.SessionToken}
	me, err := x.connect(t, x.token(t, eksCluster, key)).kube.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || !strings.HasSuffix(me.Status.UserInfo.Username, ":assumed-role/"+name+"/alice") || !slices.Contains(me.Status.UserInfo.Groups, group) {
		t.Errorf("who it is: %+v, %v", me, err)
	}
}
