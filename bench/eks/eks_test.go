// Package eks measures the EKS API in front of a real API server, with the server, its clients and their signatures on as many
// cores as GOMAXPROCS says:
//
//	GOMAXPROCS=1 go test -run - -bench . -benchtime 1x ./bench/eks
package eks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/bench/measure"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/assembly"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/eks/setup"
	"naru.dev/naru/internal/iam"
	"naru.dev/naru/internal/iam/bootstrap"
	"naru.dev/naru/internal/iam/store"
	"naru.dev/naru/internal/platform"
	"naru.dev/naru/test/env"
)

// The limits of the issue.
const (
	rate           = 200
	describeLimit  = 0.010
	clusters       = 1000
	listLimit      = 0.050
	seconds        = 20
	listedInTotal  = 100
	clustersAPage  = 100
	pagesOfAllList = clusters / clustersAPage
)

// BenchmarkAPI runs once, whatever b.N is: the pace of calls is a part of what is measured.
func BenchmarkAPI(b *testing.B) {
	ctrl.SetLogger(logr.Discard())
	config := env.Start(b)
	hosting, err := platform.NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	if err := hosting.Create(b.Context(), system); err != nil {
		b.Fatal(err)
	}
	for n := range clusters {
		cluster := backend.NewCluster(fmt.Sprintf("c%04d", n), "1.37", 1, v1alpha1.NetworkingSpec{})
		if err := hosting.Create(b.Context(), cluster); err != nil {
			b.Fatal(err)
		}
	}
	api := start(b, config, hosting)
	for b.Loop() {
		describe := paced(b, func() error {
			_, err := api.DescribeCluster(b.Context(), &eks.DescribeClusterInput{Name: aws.String("c0500")})
			return err
		})
		whole, page := listed(b, api)
		figures := []measure.Figure{
			figure(fmt.Sprintf("DescribeCluster, %d a second: p50", rate), quantile(describe, 0.5), 0),
			figure(fmt.Sprintf("DescribeCluster, %d a second: p99", rate), quantile(describe, 0.99), describeLimit),
			figure(fmt.Sprintf("ListClusters, %d of %d: p99", clustersAPage, clusters), quantile(page, 0.99), listLimit),
			figure(fmt.Sprintf("ListClusters, all %d in %d pages: p50", clusters, pagesOfAllList), quantile(whole, 0.5), 0),
		}
		if err := measure.Print(os.Stderr, "the EKS API", figures); err != nil {
			b.Fatal(err)
		}
	}
}

func figure(name string, took time.Duration, limit float64) measure.Figure {
	return measure.Figure{Name: name, Text: took.Round(10 * time.Microsecond).String(), Value: took.Seconds(), Limit: limit, LimitText: fmt.Sprintf("%.0f ms", limit*1000)}
}

// paced calls at a fixed rate, whether or not earlier calls have ended, and returns how long each took, sorted.
func paced(b *testing.B, call func() error) []time.Duration {
	b.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	for range rate * seconds {
		due := <-ticker.C
		group.Go(func() {
			if err := call(); err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
		})
	}
	group.Wait()
	slices.Sort(took)
	return took
}

// listed lists all clusters again and again, and returns how long a whole list and a page took.
func listed(b *testing.B, api *eks.Client) (whole, page []time.Duration) {
	b.Helper()
	for range listedInTotal / pagesOfAllList {
		began, found := time.Now(), 0
		pages := eks.NewListClustersPaginator(api, &eks.ListClustersInput{})
		for pages.HasMorePages() {
			pageBegan := time.Now()
			out, err := pages.NextPage(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			page = append(page, time.Since(pageBegan))
			found += len(out.Clusters)
		}
		if found != clusters {
			b.Fatalf("%d clusters are listed, %d are there", found, clusters)
		}
		whole = append(whole, time.Since(began))
	}
	slices.Sort(whole)
	slices.Sort(page)
	return whole, page
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// start runs a server that limits nothing, and returns a client that signs as the administrator.
func start(b *testing.B, config *rest.Config, hosting client.WithWatch) *eks.Client {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	options := assembly.Options{Hosting: config, Site: convert.Site{Account: "111122223333", Region: "naru-kr-1"}, Names: []string{"127.0.0.1"},
		Limits: server.Limits{PerSecond: 1e6, Burst: 1e6, AtOnce: 1000}, Audit: io.Discard, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- assembly.Run(ctx, listener, options) }()
	b.Cleanup(func() { cancel(); <-ended })
	roots := x509.NewCertPool()
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 100}}
	key := await(b, func() (*iam.AccessKey, error) {
		secret := &corev1.Secret{}
		if err := hosting.Get(b.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: setup.TLSSecret}, secret); err != nil {
			return nil, err
		}
		roots.AppendCertsFromPEM(secret.Data[setup.CAKey])
		response, err := web.Get("https://" + listener.Addr().String() + "/readyz")
		if err != nil {
			return nil, err
		}
		response.Body.Close()
		return bootstrap.KeyOf(b.Context(), store.New(hosting), bootstrap.AdminUser)
	})
	return eks.New(eks.Options{Region: "naru-kr-1", BaseEndpoint: aws.String("https://" + listener.Addr().String()), HTTPClient: web, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, nil
		})})
}

func await(b *testing.B, try func() (*iam.AccessKey, error)) *iam.AccessKey {
	b.Helper()
	var last error
	for range 300 {
		key, err := try()
		if err == nil {
			return key
		}
		last = err
		<-time.After(100 * time.Millisecond)
	}
	b.Fatal(last)
	return nil
}
