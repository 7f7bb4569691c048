package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/etcd"
	"naru.dev/naru/internal/controlplane/pki"
)

const membersTimeout = 5 * time.Second

// members is a connection to a cluster's etcd, and its member list.
type members struct {
	client *clientv3.Client
	config clientv3.Config
	list   []etcd.Member
}

// openMembers connects to the members by their pods' addresses: the controller needs no name of theirs.
func (c *Controller) openMembers(ctx context.Context, s *scope) (*members, error) {
	pods := &corev1.PodList{}
	err := c.live.List(ctx, pods, client.InNamespace(s.render.Namespace), client.MatchingLabels{v1alpha1.LabelComponent: etcd.Name})
	if err != nil {
		return nil, fmt.Errorf("listing etcd's pods: %w", err)
	}
	var endpoints []string
	for i := range pods.Items {
		if pods.Items[i].Status.PodIP != "" && pods.Items[i].DeletionTimestamp.IsZero() {
			endpoints = append(endpoints, "https://"+net.JoinHostPort(pods.Items[i].Status.PodIP, etcdPort))
		}
	}
	if len(endpoints) == 0 {
		return nil, errors.New("no member has an address yet")
	}
	config, err := s.etcdTLS()
	if err != nil {
		return nil, err
	}
	m := &members{config: clientv3.Config{
		Endpoints: endpoints, TLS: config, DialTimeout: membersTimeout, Logger: zap.NewNop(),
		// Members are dialled by address, and prove themselves by name.
		DialOptions: []grpc.DialOption{grpc.WithAuthority("etcd." + s.render.Namespace + ".svc")},
	}}
	if m.client, err = clientv3.New(m.config); err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	if err := m.read(ctx, endpoints); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (s *scope) etcdTLS() (*tls.Config, error) {
	own := s.leaves[pki.ControllerEtcdClient]
	pair, err := tls.X509KeyPair(own.Certificate, own.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the controller's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.authorities[pki.EtcdCA].Certificate)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

func (m *members) close() { _ = m.client.Close() } // nothing is pending

func (m *members) read(ctx context.Context, endpoints []string) error {
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	response, err := m.client.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("listing etcd's members: %w", err)
	}
	leader := uint64(0)
	for _, endpoint := range endpoints {
		if status, err := m.client.Status(ctx, endpoint); err == nil && status.Leader != 0 {
			leader = status.Leader
			break
		}
	}
	for _, member := range response.Members {
		ordinal, err := ordinalOf(member.Name, member.PeerURLs)
		if err != nil {
			return err
		}
		m.list = append(m.list, etcd.Member{ID: member.ID, Ordinal: ordinal, Learner: member.IsLearner, Leader: member.ID == leader})
	}
	return nil
}

// database is the size of the largest member's database, in bytes.
func (m *members) database(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	size := int64(0)
	for _, endpoint := range m.config.Endpoints {
		status, err := m.client.Status(ctx, endpoint)
		if err != nil {
			return 0, fmt.Errorf("asking a member of etcd for its database's size: %w", err)
		}
		size = max(size, status.DbSize)
	}
	return size, nil
}

// ordinalOf reads the number in etcd-2. A member that has not run yet has no name, but its URL has.
func ordinalOf(name string, peerURLs []string) (int32, error) {
	if name == "" && len(peerURLs) > 0 {
		u, err := url.Parse(peerURLs[0])
		if err != nil {
			return 0, fmt.Errorf("reading the URL of a member: %w", err)
		}
		name, _, _ = strings.Cut(u.Hostname(), ".")
	}
	ordinal, err := strconv.Atoi(strings.TrimPrefix(name, etcd.Name+"-"))
	if err != nil {
		return 0, fmt.Errorf("etcd has a member %q that Naru did not make: remove it with etcdctl", name)
	}
	return int32(ordinal), nil
}

// act carries out the one change that is next.
func (m *members) act(ctx context.Context, scaling etcd.Scaling) error {
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	logger := log.FromContext(ctx)
	switch {
	case scaling.Promote != 0:
		_, err := m.client.MemberPromote(ctx, scaling.Promote)
		if errors.Is(err, rpctypes.ErrMemberLearnerNotReady) {
			return nil // it still reads what it missed
		}
		if err != nil {
			return fmt.Errorf("promoting a member of etcd: %w", err)
		}
		logger.Info("promoted a member of etcd", "member", strconv.FormatUint(scaling.Promote, 16))
	case scaling.LeadTo != 0:
		return m.moveLead(ctx, scaling.LeadTo)
	case scaling.Remove != 0:
		if _, err := m.client.MemberRemove(ctx, scaling.Remove); err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return fmt.Errorf("removing a member of etcd: %w", err)
		}
		logger.Info("removed a member of etcd", "member", strconv.FormatUint(scaling.Remove, 16))
	}
	return nil
}

// moveLead asks each member in turn, as only the leader may give the lead away.
func (m *members) moveLead(ctx context.Context, to uint64) error {
	var last error
	for _, endpoint := range m.config.Endpoints {
		config := m.config
		config.Endpoints = []string{endpoint}
		one, err := clientv3.New(config)
		if err != nil {
			return fmt.Errorf("connecting to etcd: %w", err)
		}
		_, err = one.MoveLeader(ctx, to)
		_ = one.Close()
		if err == nil {
			return nil
		}
		last = err
	}
	return fmt.Errorf("moving etcd's lead: %w", last)
}
