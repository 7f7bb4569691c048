package assembly

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/podroles"
)

// narrow asks the address that nodes and pods reach, with the administrator's key.
func narrow(t *testing.T, client *eks.Client, hosting client.Client, nodes string) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := hosting.Get(t.Context(), types.NamespacedName{Namespace: v1alpha1.SystemNamespace, Name: podroles.ServerSecret}, secret); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data[podroles.ServerCAKey])
	o, endpoint := client.Options(), aws.String("https://"+nodes)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	if _, err := sts.New(sts.Options{Region: o.Region, BaseEndpoint: endpoint, HTTPClient: web, Credentials: o.Credentials}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("when STS is asked there, it answers: %v", err)
	}
	_, err := eks.New(eks.Options{Region: o.Region, BaseEndpoint: endpoint, HTTPClient: web, Credentials: o.Credentials}).ListClusters(t.Context(), &eks.ListClustersInput{})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 404") {
		t.Errorf("when EKS is asked there, there is none: %v", err)
	}
	_, err = iamsdk.New(iamsdk.Options{Region: "us-east-1", BaseEndpoint: endpoint, HTTPClient: web, Credentials: o.Credentials}).ListUsers(t.Context(), &iamsdk.ListUsersInput{})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 404") {
		t.Errorf("when IAM is asked there, there is none: %v", err)
	}
	signer := v4.NewSigner()
	body := "Action=ListUsers&Version=2010-05-08"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	credentials, err := o.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	if err := signer.SignHTTP(t.Context(), credentials, request, hex.EncodeToString(sum[:]), "sts", o.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	for what, request := range map[string]*http.Request{"IAM is asked under STS's name": request, "a role is asked for without a node's certificate": post(t, *endpoint+podroles.AssumePath("prod"))} {
		response, err := web.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("when %s, it is refused: %s", what, response.Status)
		}
	}
}

func post(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"token":"a.b.c"}`))
	if err != nil {
		t.Fatal(err)
	}
	return request
}
