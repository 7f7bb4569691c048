package podidentity

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"naru.dev/naru/internal/podroles"
)

const (
	// patience is how long a question may take.
	patience = 10 * time.Second
	// knownFor is how long the place to ask is taken for known.
	knownFor = time.Minute
	// maxAnswer is more than an answer has.
	maxAnswer = 64 << 10
)

// refusal is what the service said to a token: for the pod, and not for this node to hide.
type refusal struct {
	status int
	said   podroles.Error
}

func (r *refusal) Error() string { return r.said.Type + ": " + r.said.Message }

// place is where to ask.
type place struct {
	cluster, server, ca string
	at                  time.Time
	client              *http.Client
}

// upstream asks naru server, as this node: with the client certificate that the kubelet has and renews.
type upstream struct {
	api kubernetes.Interface
	// certificate is the path of the kubelet's certificate and key.
	certificate string

	mu    sync.Mutex
	known place
}

// ask has a token turned into credentials. Errors: *refusal; any other says that nobody answered.
func (u *upstream) ask(ctx context.Context, token string) (podroles.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var answer podroles.Answer
	where, err := u.place(ctx)
	if err != nil {
		return answer, err
	}
	body, err := json.Marshal(podroles.Request{Token: token})
	if err != nil {
		return answer, fmt.Errorf("encoding the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, where.server+podroles.AssumePath(where.cluster), bytes.NewReader(body))
	if err != nil {
		return answer, fmt.Errorf("asking %s: %w", where.server, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "naru-agent")
	response, err := where.client.Do(request)
	if err != nil {
		return answer, fmt.Errorf("asking %s: %w", where.server, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("reading the answer of %s: %w", where.server, err)
	}
	return read(response.StatusCode, content)
}

// read tells an answer from a refusal.
func read(status int, content []byte) (answer podroles.Answer, err error) {
	if status == http.StatusOK {
		if err := json.Unmarshal(content, &answer); err != nil || answer.Credentials.AccessKeyID == "" {
			return answer, fmt.Errorf("naru server gave no credentials")
		}
		return answer, nil
	}
	refused := &refusal{status: status}
	if json.Unmarshal(content, &refused.said) != nil || refused.said.Type == "" || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return answer, fmt.Errorf("naru server answered with status %d: %s", status, refused.said.Message)
	}
	return answer, refused
}

// place reads where to ask, now and then, from the cluster.
func (u *upstream) place(ctx context.Context) (place, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known.client != nil && time.Since(u.known.at) < knownFor {
		return u.known, nil
	}
	config, err := u.api.CoreV1().ConfigMaps(podroles.ConfigNamespace).Get(ctx, podroles.ConfigName, metav1.GetOptions{})
	if err != nil {
		if u.known.client != nil {
			return u.known, nil // it has been right until now
		}
		return place{}, fmt.Errorf("reading where to ask: %w", err)
	}
	next := place{
		cluster: config.Data[podroles.ConfigCluster], server: config.Data[podroles.ConfigServer], ca: config.Data[podroles.ConfigCA],
		at: time.Now(), client: u.known.client,
	}
	if next.client == nil || next.ca != u.known.ca {
		if next.client, err = u.connect(next.ca); err != nil {
			return place{}, err
		}
	}
	u.known = next
	return next, nil
}

func (u *upstream) connect(ca string) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		return nil, fmt.Errorf("reading where to ask: ConfigMap %s/%s has no certificate in %s", podroles.ConfigNamespace, podroles.ConfigName, podroles.ConfigCA)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, GetClientCertificate: u.identify},
			IdleConnTimeout: time.Minute, MaxIdleConns: 4, ForceAttemptHTTP2: true,
		},
	}, nil
}

// identify reads the certificate at each connection, since the kubelet renews it.
func (u *upstream) identify(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(u.certificate, u.certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the node's certificate: %w", err)
	}
	return &pair, nil
}
