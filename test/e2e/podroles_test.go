//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/test/naru"
)

// Service accounts, pods of the same names, and roles of the scenario.
const (
	associated, annotated, plain = "associated", "annotated", "plain"
	podRole, webRole             = "e2e-pods", "e2e-irsa"
)

// testPodRoles gives pods of the scenario's cluster roles, in both of EKS's ways, and lets others try to get them.
func (a awsClients) testPodRoles(t *testing.T, w *world) {
	c := w.connect(t, eksCluster)
	role := a.makeRole(t, podRole, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":"pods.eks.amazonaws.com"},
		"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"default"}}}]}`)
	made, err := a.eks.CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String(eksCluster), Namespace: aws.String("default"), ServiceAccount: aws.String(associated), RoleArn: &role})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := a.eks.DeletePodIdentityAssociation(context.WithoutCancel(t.Context()), &eks.DeletePodIdentityAssociationInput{
			ClusterName: aws.String(eksCluster), AssociationId: made.Association.AssociationId})
		if err != nil && !strings.Contains(err.Error(), "ResourceNotFound") {
			t.Error(err)
		}
	})
	for account, annotations := range map[string]map[string]string{
		associated: nil, plain: nil, annotated: {"eks.amazonaws.com/role-arn": strings.Replace(role, podRole, webRole, 1)},
	} {
		_, err := c.kube.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{Name: account, Annotations: annotations}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	a.told(t, w, c, associated, "eks-pod-identity-token")
	a.told(t, w, c, annotated, "aws-iam-token")
	create(t, c, as(plain, pod(plain, w.image(t, "busybox"), forever()...)))
	awaitPods(t, c, associated, annotated, plain)
	t.Run("when a service account has an association, its pod gets its role's credentials", func(t *testing.T) { a.associatedPod(t, w, c) })
	t.Run("when it has none, its pod gets nothing", func(t *testing.T) { plainPod(t, w, c) })
	t.Run("when a token is not that of a pod on the node, it is refused", func(t *testing.T) { strangeTokens(t, w, c) })
	t.Run("when a service account is annotated, its pod's token assumes the role, and no other's does", func(t *testing.T) { a.annotatedPod(t, w, c) })
	t.Run("when a machine looks at naru server, it reaches what gives roles, and not the EKS API", func(t *testing.T) { fromMachine(t, w) })
	w.kubectl(t, c, "delete", "pod", associated, annotated, plain, "--wait=false")
}

// makeRole makes a role for the test's life.
func (a awsClients) makeRole(t *testing.T, name, trust string) string {
	t.Helper()
	made, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := a.iam.DeleteRole(context.WithoutCancel(t.Context()), &iam.DeleteRoleInput{RoleName: &name}); err != nil {
			t.Errorf("deleting role %s: %v", name, err)
		}
	})
	return *made.Role.Arn
}

func as(account string, pod *corev1.Pod) *corev1.Pod {
	pod.Spec.ServiceAccountName = account
	return pod
}

// told makes the pod of a service account, anew until the cluster has told it where its role is: API servers learn of that a
// little later.
func (a awsClients) told(t *testing.T, w *world, c *cluster, account, volume string) {
	t.Helper()
	image := w.image(t, "busybox")
	eventually(t, "a pod with the volume "+volume, 2*time.Minute, func(ctx context.Context) error {
		pods := c.kube.CoreV1().Pods("default")
		made, err := pods.Create(ctx, as(account, pod(account, image, forever()...)), metav1.CreateOptions{})
		if err != nil {
			return errors.Join(err, gone(pods.Delete(ctx, account, metav1.DeleteOptions{})))
		}
		for _, have := range made.Spec.Volumes {
			if have.Name == volume {
				return nil
			}
		}
		return errors.Join(errNothing, pods.Delete(ctx, account, metav1.DeleteOptions{}))
	})
}

// fetchRole is what AWS's SDKs do in a pod.
const fetchRole = `timeout 20 wget -qO- --header "Authorization: $(cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)" $AWS_CONTAINER_CREDENTIALS_FULL_URI`

// given is what they read.
type given struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccountID       string `json:"AccountId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

// who asks STS whose credentials they are.
func (a awsClients) who(t *testing.T, credentials given) (string, error) {
	t.Helper()
	o := a.sts.Options()
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: credentials.AccessKeyID, SecretAccessKey: credentials.SecretAccessKey, SessionToken: credentials.Token}, nil
	})
	identity, err := sts.New(o).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *identity.Arn, nil
}

func (a awsClients) associatedPod(t *testing.T, w *world, c *cluster) {
	var credentials given
	eventually(t, "credentials", time.Minute, func(ctx context.Context) error {
		text, err := w.shell(ctx, c, associated, fetchRole)
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &credentials)
	})
	arn, err := a.who(t, credentials)
	if err != nil || !strings.Contains(arn, ":assumed-role/"+podRole+"/eks-"+eksCluster+"-"+associated+"-") {
		t.Errorf("whose they are: %q, %v", arn, err)
	}
	ends, err := time.Parse(time.RFC3339, credentials.Expiration)
	if err != nil || time.Until(ends) < 10*time.Minute || credentials.AccountID == "" {
		t.Errorf("until when, and where: %q, %q, %v", credentials.Expiration, credentials.AccountID, err)
	}
	again, err := w.shell(t.Context(), c, associated, fetchRole)
	if err != nil || !strings.Contains(again, credentials.AccessKeyID) {
		t.Errorf("when it asks again, the agent remembers: %v", err)
	}
}

func plainPod(t *testing.T, w *world, c *cluster) {
	got, err := w.shell(t.Context(), c, plain, "env")
	if err != nil || strings.Contains(got, "AWS_") {
		t.Errorf("what it is told: %s, %v", got, err)
	}
	const url = " http://169.254.170.23/v1/credentials 2>&1 || true"
	for what, test := range map[string]struct{ header, want string }{
		"no token":       {"X: y", "400"},
		"its own token":  {"Authorization: $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)", "400"},
		"a made-up text": {"Authorization: a.b.c", "400"},
	} {
		got, err := w.shell(t.Context(), c, plain, `timeout 20 wget -qO- --header "`+test.header+`"`+url)
		if err != nil || !strings.Contains(got, test.want) || strings.Contains(got, "SecretAccessKey") {
			t.Errorf("with %s: %q, %v", what, got, err)
		}
	}
}

// accountToken asks the cluster for one of a service account, as an administrator of the cluster can.
func accountToken(t *testing.T, w *world, c *cluster, account string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(w.kubectl(t, c, append([]string{"create", "token", account}, args...)...))
}

// strangeTokens shows the agent what it has not seen before, from a pod that has no role.
func strangeTokens(t *testing.T, w *world, c *cluster) {
	const audience = "--audience=pods.eks.amazonaws.com"
	create(t, c, as(associated, pod("passing", w.image(t, "busybox"), forever()...)))
	awaitPods(t, c, "passing")
	late := accountToken(t, w, c, associated, audience, "--bound-object-kind=Pod", "--bound-object-name=passing")
	w.kubectl(t, c, "delete", "pod", "passing", "--force", "--grace-period=0")
	eventually(t, "the end of the pod", time.Minute, func(ctx context.Context) error {
		_, err := c.kube.CoreV1().Pods("default").Get(ctx, "passing", metav1.GetOptions{})
		return gone(err)
	})
	for what, test := range map[string]struct{ token, want string }{
		"of a pod that is gone":                     {late, "400"},
		"bound to no pod":                           {accountToken(t, w, c, associated, audience), "400"},
		"of a service account without a role":       {accountToken(t, w, c, plain, audience, "--bound-object-kind=Pod", "--bound-object-name="+plain), "404"},
		"of the right pod, but for another service": {accountToken(t, w, c, associated, "--audience=sts.amazonaws.com", "--bound-object-kind=Pod", "--bound-object-name="+associated), "400"},
	} {
		got, err := w.shell(t.Context(), c, plain, `timeout 20 wget -qO- --header "Authorization: `+test.token+`" http://169.254.170.23/v1/credentials 2>&1 || true`)
		if err != nil || !strings.Contains(got, test.want) || strings.Contains(got, "SecretAccessKey") {
			t.Errorf("a token %s: %q, %v", what, got, err)
		}
	}
}

// assume is AssumeRoleWithWebIdentity, which nobody signs.
func (a awsClients) assume(ctx context.Context, role, token string) (given, error) {
	out, err := a.sts.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("e2e"), WebIdentityToken: &token})
	if err != nil {
		return given{}, err
	}
	return given{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, Token: *out.Credentials.SessionToken}, nil
}

func (a awsClients) annotatedPod(t *testing.T, w *world, c *cluster) {
	described, err := a.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(eksCluster)})
	if err != nil || described.Cluster.Identity == nil {
		t.Fatalf("the issuer: %+v, %v", described, err)
	}
	issuer := *described.Cluster.Identity.Oidc.Issuer
	a.discovery(t, issuer)
	provider, err := a.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &issuer, ClientIDList: []string{"sts.amazonaws.com"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := a.iam.DeleteOpenIDConnectProvider(context.WithoutCancel(t.Context()), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider.OpenIDConnectProviderArn})
		if err != nil {
			t.Error(err)
		}
	})
	name := strings.TrimPrefix(issuer, "https://")
	role := a.makeRole(t, webRole, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":%q},
		"Condition":{"StringEquals":{%q:"system:serviceaccount:default:annotated",%q:"sts.amazonaws.com"}}}]}`, *provider.OpenIDConnectProviderArn, name+":sub", name+":aud"))
	got, err := w.shell(t.Context(), c, annotated, "echo $AWS_ROLE_ARN; cat $AWS_WEB_IDENTITY_TOKEN_FILE; echo; cat $AWS_CA_BUNDLE")
	parts := strings.SplitN(got, "\n", 3)
	if err != nil || len(parts) != 3 || parts[0] != role || !strings.HasPrefix(parts[2], "-----BEGIN CERTIFICATE-----") {
		t.Fatalf("what the pod has: %q, %v", got, err)
	}
	var credentials given
	eventually(t, "the role", time.Minute, func(ctx context.Context) (err error) {
		credentials, err = a.assume(ctx, role, parts[1])
		return err
	})
	if arn, err := a.who(t, credentials); err != nil || !strings.HasSuffix(arn, ":assumed-role/"+webRole+"/e2e") {
		t.Errorf("whose they are: %q, %v", arn, err)
	}
	a.refused(t, "another service account's token", role, accountToken(t, w, c, plain, "--audience=sts.amazonaws.com"), "AccessDenied")
	a.refused(t, "a token for the API server", role, accountToken(t, w, c, annotated), "InvalidIdentityToken")
	a.refused(t, "a role that trusts no token", strings.Replace(role, webRole, podRole, 1), parts[1], "AccessDenied")
}

func (a awsClients) refused(t *testing.T, what, role, token, code string) {
	t.Helper()
	_, err := a.assume(t.Context(), role, token)
	var problem smithy.APIError
	if !errors.As(err, &problem) || problem.ErrorCode() != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// discovery reads the issuer's keys, without a key to sign with.
func (a awsClients) discovery(t *testing.T, issuer string) {
	t.Helper()
	var found struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var set struct{ Keys []json.RawMessage }
	for _, step := range []struct {
		url  func() string
		into any
	}{{func() string { return issuer + "/.well-known/openid-configuration" }, &found}, {func() string { return found.Keys }, &set}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, step.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := a.sts.Options().HTTPClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || json.NewDecoder(bytes.NewReader(content)).Decode(step.into) != nil {
			t.Fatalf("%s: %s, %s, %v", request.URL, response.Status, content, err)
		}
	}
	if found.Issuer != issuer || len(set.Keys) == 0 {
		t.Errorf("got %+v, %s", found, set.Keys)
	}
}

// fromMachine looks from a machine's root, which a tenant may become.
func fromMachine(t *testing.T, w *world) {
	machines, err := w.componentPods(t, t.Context(), eksCluster)
	if err != nil || len(machines[nodeComponent]) == 0 {
		t.Fatalf("no machine to look from: %v", err)
	}
	for service, reachable := range map[string]bool{"naru-pod-roles": true, "naru-server": false} {
		found, err := w.hosting(t).kube.CoreV1().Services(v1alpha1.SystemNamespace).Get(t.Context(), service, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		script := "exec 3<>/dev/tcp/" + found.Spec.ClusterIP + "/443"
		_, err = w.cli.Kubectl(t.Context(), naru.Hosting, "-n", v1alpha1.Namespace(eksCluster), "exec", machines[nodeComponent][0].Name, "--", "timeout", "3", "bash", "-c", script)
		if reached := err == nil; reached != reachable {
			t.Errorf("%s: reached is %v, want %v: %v", service, reached, reachable, err)
		}
	}
}
