package member

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/status"
)

const (
	askTimeout   = 700 * time.Millisecond
	writeTimeout = 5 * time.Second
	retryPause   = 500 * time.Millisecond
)

// Options describe the member to start.
type Options struct {
	// Name is the pod's: etcd-0.
	Name string
	// Domain under which members are found: etcd.naru-demo.svc.cluster.local.
	Domain string
	// DataDir is the member's own folder. Its parent is the volume.
	DataDir string
	// InitialMembers is how many form the cluster, MaxMembers how many there may be at any time.
	InitialMembers int
	MaxMembers     int
	// Members is how many there are to be now: those with lower numbers.
	Members int
	// Bootstrapped says that the cluster was once seen to have a quorum.
	Bootstrapped bool
	// Certificate, Key and CA are PEM files of a client that members accept.
	Certificate, Key, CA string
}

// Prepare finds out how to start, changes the member list and the data directory where it has to, and
// returns the arguments that etcd needs in addition. It blocks, trying again, until it is safe to start
// or ctx ends.
func Prepare(ctx context.Context, o Options, log *slog.Logger) ([]string, error) {
	p := preparation{Options: o, log: log}
	for {
		args, err := p.try(ctx)
		if err == nil {
			return args, nil
		}
		if errors.Is(err, ErrSurplus) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("preparing %s: %w", o.Name, ctx.Err())
		}
		log.Info("not starting yet", "reason", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

type preparation struct {
	Options
	log *slog.Logger
}

var errWait = errors.New("waiting for another member")

// ErrSurplus ends a member that is not wanted. When it is started again, it is told anew how many are.
var ErrSurplus = errors.New("this member is not wanted any more") //nolint:gochecknoglobals // sentinel

func (p preparation) try(ctx context.Context) ([]string, error) {
	hasData, err := p.hasData()
	if err != nil {
		return nil, err
	}
	client, peers, err := p.ask(ctx)
	if err != nil {
		return nil, err
	}
	if client != nil {
		defer client.Close()
	}
	facts := Facts{Name: p.Name, PeerURL: p.peerURL(p.Name), HasData: hasData, Bootstrapped: p.Bootstrapped, Surplus: p.surplus(), Peers: peers}
	action, why, stale := Decide(facts)
	p.log.Info("decided", "action", action, "reason", why, "members", len(peers))
	return p.act(ctx, client, facts, action, stale)
}

// surplus compares the pod's number, the last part of its name, with how many members there are to be.
func (p preparation) surplus() bool {
	number, err := strconv.Atoi(p.Name[strings.LastIndex(p.Name, "-")+1:])
	return err == nil && number >= p.Members
}

func (p preparation) act(ctx context.Context, client *clientv3.Client, f Facts, action Action, stale uint64) ([]string, error) {
	switch action {
	case Start:
		return p.arguments(nil, "existing"), nil
	case Form:
		return p.arguments(p.initialMembers(), "new"), nil
	case Join:
		return p.arguments(f.Peers, "existing"), nil
	case Wait:
		return nil, errWait
	case Stay:
		return nil, ErrSurplus
	case Reset:
		if err := os.RemoveAll(p.DataDir); err != nil {
			return nil, fmt.Errorf("forgetting old data: %w", err)
		}
	case Replace:
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		if _, err := client.MemberRemove(ctx, stale); err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return nil, fmt.Errorf("removing the member that lost its data: %w", err)
		}
	case Add:
	}
	return p.add(ctx, client)
}

// add makes the member a learner: until the controller promotes it, it has no vote and can't cost the
// others their quorum.
func (p preparation) add(ctx context.Context, client *clientv3.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	response, err := client.MemberAddAsLearner(ctx, []string{p.peerURL(p.Name)})
	if err != nil {
		return nil, fmt.Errorf("adding the member: %w", err)
	}
	var peers []Peer
	for _, m := range response.Members {
		peers = append(peers, Peer{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs})
	}
	return p.arguments(peers, "existing"), nil
}

// ask returns the member list of the first other member that gives it, with a client of that member; all are
// nil where none does.
func (p preparation) ask(ctx context.Context) (*clientv3.Client, []Peer, error) {
	config, err := p.tls()
	if err != nil {
		return nil, nil, err
	}
	type answer struct {
		client *clientv3.Client
		peers  []Peer
	}
	answers := make(chan answer)
	others := 0
	for i := range p.MaxMembers {
		name := "etcd-" + strconv.Itoa(i)
		if name == p.Name {
			continue
		}
		others++
		go func() {
			client, peers, err := askOne(ctx, name+"."+p.Domain+":2379", config)
			if err != nil {
				p.log.Debug("no member list", "from", name, "reason", status.Convert(err).Message())
			}
			answers <- answer{client, peers}
		}()
	}
	var first answer
	for range others {
		a := <-answers
		switch {
		case a.client != nil && first.client == nil:
			first = a
		case a.client != nil:
			a.client.Close()
		}
	}
	return first.client, first.peers, nil
}

func askOne(ctx context.Context, address string, config *tls.Config) (*clientv3.Client, []Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// etcd's client tries again until the time is over where nobody listens, and a cluster's first members find nobody.
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	connection.Close()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + address}, TLS: config, Logger: zap.NewNop(), DialTimeout: askTimeout,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	response, err := client.MemberList(ctx)
	if err != nil {
		client.Close()
		return nil, nil, fmt.Errorf("listing members: %w", err)
	}
	peers := make([]Peer, 0, len(response.Members))
	for _, m := range response.Members {
		peers = append(peers, Peer{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, Published: len(m.ClientURLs) > 0, Learner: m.IsLearner})
	}
	return client, peers, nil
}

func (p preparation) tls() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate: %w", err)
	}
	ca, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading the authority: %s holds no certificate", p.CA)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// hasData tells whether a member has ever run here: it writes its log before anything else.
func (p preparation) hasData() (bool, error) {
	entries, err := os.ReadDir(filepath.Join(p.DataDir, "member", "wal"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for data: %w", err)
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ".wal") }), nil
}

func (p preparation) initialMembers() []Peer {
	var peers []Peer
	for i := range p.InitialMembers {
		name := "etcd-" + strconv.Itoa(i)
		peers = append(peers, Peer{Name: name, PeerURLs: []string{p.peerURL(name)}})
	}
	return peers
}

func (p preparation) peerURL(name string) string { return "https://" + name + "." + p.Domain + ":2380" }

// arguments says who the member is and, unless it has data, who belongs to the cluster.
func (p preparation) arguments(peers []Peer, state string) []string {
	args := []string{
		"--name=" + p.Name, "--data-dir=" + p.DataDir,
		"--advertise-client-urls=https://" + p.Name + "." + p.Domain + ":2379",
		"--initial-advertise-peer-urls=" + p.peerURL(p.Name),
		"--initial-cluster-state=" + state,
		"--initial-cluster-token=" + p.Domain,
	}
	if peers == nil {
		// Not read by a member that has data, but checked to contain it.
		peers = []Peer{{Name: p.Name, PeerURLs: []string{p.peerURL(p.Name)}}}
	}
	var cluster []string
	for _, peer := range peers {
		for _, u := range peer.PeerURLs {
			cluster = append(cluster, nameOf(peer, u)+"="+u)
		}
	}
	return append(args, "--initial-cluster="+strings.Join(cluster, ","))
}

// nameOf is a member's name, which the list lacks until it runs: then it is in its URL.
func nameOf(peer Peer, peerURL string) string {
	if peer.Name != "" {
		return peer.Name
	}
	u, err := url.Parse(peerURL)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name
}
