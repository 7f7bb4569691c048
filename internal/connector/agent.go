package connector

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// maxAnswer is more than naru server answers.
const maxAnswer = 64 << 10

// Options are what an agent works with.
type Options struct {
	// Cluster is how the agent reaches the cluster that it is in.
	Cluster *rest.Config
	// Server is the URL of naru server; ServerName is the name in its certificate, whatever the URL's host is; CA signed it.
	Server     *url.URL
	ServerName string
	CA         []byte
	Activation Activation
	// Namespace and Secret are where the agent keeps its key. The Secret has to exist.
	Namespace, Secret string
	Log               *slog.Logger
}

// agent connects its cluster.
type agent struct {
	Options
	tls *tls.Config
	api http.Handler
}

// Run connects the cluster until ctx ends: again and again where the connection breaks or is refused, since who mends that is
// not here.
func Run(ctx context.Context, o Options) error {
	kube, err := kubernetes.NewForConfig(o.Cluster)
	if err != nil {
		return fmt.Errorf("making a client of the cluster: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(o.CA) {
		return errors.New("reading the authority of naru server: it holds no certificate")
	}
	certificate, err := keys{kube.CoreV1().Secrets(o.Namespace), o.Secret}.certificate(ctx, o.Activation.ID)
	if err != nil {
		return err
	}
	handler, err := newAPI(o.Cluster, o.Log)
	if err != nil {
		return err
	}
	a := &agent{Options: o, api: handler, tls: &tls.Config{
		RootCAs: roots, ServerName: o.ServerName, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate},
		NextProtos: []string{"http/1.1"}, // HTTP/2 has no upgrades of this kind
	}}
	return a.run(ctx)
}

// rests are how long the agent waits between attempts.
func rests() wait.Backoff {
	return wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.3, Steps: 6, Cap: 30 * time.Second}
}

func (a *agent) run(ctx context.Context) error {
	rest := rests()
	for ctx.Err() == nil {
		err := a.connect(ctx)
		var refused *RefusedError
		if errors.As(err, &refused) {
			if err = a.activate(ctx); err == nil {
				a.Log.Info("activated", "server", a.Server.Host)
			}
		}
		if err == nil {
			rest = rests() // it was connected, or will be
		} else if ctx.Err() == nil {
			a.Log.Warn("not connected", "server", a.Server.Host, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest.Step()):
		}
	}
	return nil
}

// dial opens a connection to naru server, which is verified.
func (a *agent) dial(ctx context.Context) (net.Conn, error) {
	address := a.Server.Host
	if a.Server.Port() == "" {
		address = net.JoinHostPort(a.Server.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&tls.Dialer{Config: a.tls}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to naru server: %w", err)
	}
	return conn, nil
}

// connect holds a tunnel until it ends. Errors: *RefusedError where the key is not known; others where there was no tunnel.
func (a *agent) connect(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Server.JoinPath(TunnelPath).String(), nil)
	if err != nil {
		return fmt.Errorf("asking for a tunnel: %w", err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", Protocol)
	conn, read, response, err := a.send(ctx, request)
	if err != nil {
		return err
	}
	defer conn.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return said(response)
	}
	a.Log.Info("connected", "server", a.Server.Host)
	serve(ctx, conn, read, a.api)
	a.Log.Info("the connection has ended", "server", a.Server.Host)
	return nil
}

// activate shows the code. Errors: *RefusedError.
func (a *agent) activate(ctx context.Context) error {
	body, err := json.Marshal(a.Activation)
	if err != nil {
		return fmt.Errorf("asking to be activated: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Server.JoinPath(ActivatePath).String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking to be activated: %w", err)
	}
	conn, _, response, err := a.send(ctx, request)
	if err != nil {
		return err
	}
	defer conn.Close()
	if response.StatusCode != http.StatusOK {
		return said(response)
	}
	return nil
}

// send asks on a connection of its own, and gives that away with the answer.
func (a *agent) send(ctx context.Context, request *http.Request) (net.Conn, *bufio.Reader, *http.Response, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	read := bufio.NewReader(conn)
	err = conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		err = request.Write(conn)
	}
	var response *http.Response
	if err == nil {
		response, err = http.ReadResponse(read, request)
	}
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, nil, nil, fmt.Errorf("asking naru server: %w", err)
	}
	return conn, read, response, nil
}

// said is what naru server says in the place of doing what it was asked for.
func said(response *http.Response) error {
	defer response.Body.Close()
	var message Message
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || json.Unmarshal(body, &message) != nil || message.Text == "" {
		message.Text = "naru server answers " + response.Status
	}
	if response.StatusCode == http.StatusForbidden {
		return &RefusedError{Message: message.Text}
	}
	return errors.New(message.Text)
}
