//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// testEndpoint shuts users at 127.0.0.1 out, while one at 127.0.0.2 goes on, and lets them in again.
func testEndpoint(t *testing.T, w *world, a awsClients) {
	config := rest.CopyConfig(w.connect(t, eksCluster).config)
	config.Dial = from("127.0.0.2").DialContext
	c, err := connect(eksCluster, config)
	if err != nil {
		t.Fatal(err)
	}
	described, err := a.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(eksCluster)})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := *described.Cluster.Endpoint + "/readyz"
	allowed := userAt(t, "127.0.0.2")
	watch, asked := make(chan error, 1), 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { watch <- allowed.always(ctx, endpoint, &asked) }()

	a.update(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{PublicAccessCidrs: []string{"127.0.0.2/32", "192.0.2.0/24"}}})
	if err := userAt(t, "127.0.0.1").ask(t.Context(), endpoint); err == nil {
		t.Error("when the ranges leave an address out, it reaches the API all the same")
	}
	eventually(t, "a node's lease while 127.0.0.1 is shut out", 30*time.Second, renewedSince(c, time.Now()))
	described, err = a.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(eksCluster)})
	if got := described.Cluster.ResourcesVpcConfig.PublicAccessCidrs; err != nil || len(got) != 2 {
		t.Errorf("the ranges are told as %v, %v", got, err)
	}
	a.update(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{PublicAccessCidrs: []string{"0.0.0.0/0"}}})
	if err := userAt(t, "127.0.0.1").ask(t.Context(), endpoint); err != nil {
		t.Errorf("when everybody may again, 127.0.0.1 may: %v", err)
	}
	stop()
	if err := <-watch; err != nil {
		t.Errorf("one who was allowed all the time had request %d fail: %v", asked, err)
	}
	t.Logf("one who was allowed all the time had %d requests answered", asked)
	a.update(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(false), EndpointPrivateAccess: aws.Bool(true)}})
	for _, address := range []string{"127.0.0.1", "127.0.0.2"} {
		if err := userAt(t, address).ask(t.Context(), endpoint); err == nil {
			t.Errorf("when the endpoint is not public, %s reaches the API all the same", address)
		}
	}
	a.update(t, &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(true)}})
	nodes, err := c.readyNodes(t.Context())
	if err != nil || len(nodes) == 0 {
		t.Errorf("when users were shut out, nodes are as they were: %v, %v", nodes, err)
	}
}

// renewedSince checks that each node has told the API that it lives.
func renewedSince(c *cluster, begin time.Time) func(context.Context) error {
	return func(ctx context.Context) error {
		leases, err := c.kube.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
		if err != nil || len(leases.Items) == 0 {
			return errors.Join(err, fmt.Errorf("there are %d leases", len(leases.Items)))
		}
		for _, lease := range leases.Items {
			if lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Before(&metav1.MicroTime{Time: begin}) {
				return fmt.Errorf("%s was renewed at %v", lease.Name, lease.Spec.RenewTime)
			}
		}
		return nil
	}
}

// from dials from a loopback address.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

// user reaches clusters from one loopback address.
type user struct{ client *http.Client }

func userAt(t *testing.T, address string) user {
	t.Helper()
	transport := &http.Transport{
		DialContext: from(address).DialContext,
		// What it is asked is no secret, and no proof of anything.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return user{&http.Client{Transport: transport, Timeout: 5 * time.Second}}
}

func (u user) ask(ctx context.Context, endpoint string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return err
	}
	response, err := u.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

// always asks until ctx ends, over one connection and over new ones in turn, counts, and returns the first failure.
func (u user) always(ctx context.Context, endpoint string, asked *int) error {
	for ; ctx.Err() == nil; *asked++ {
		if *asked%2 == 0 {
			u.client.CloseIdleConnections()
		}
		if err := u.ask(context.WithoutCancel(ctx), endpoint); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
