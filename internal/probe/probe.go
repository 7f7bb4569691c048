// Package probe reads from and writes to a cluster's API without pause while something disturbs the
// cluster, and says afterwards which requests failed, for how long nothing succeeded and whether an
// acknowledged write is gone.
//
// Requests start by the clock, not after the one before: a slow answer does not hide what would have
// happened meanwhile. No request is tried again, unless the server asks for it. Half of them use kept connections, half fresh ones.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options change how a probe works; the zero value is what tests use.
type Options struct {
	// Namespace holds the probe's ConfigMaps; default "default".
	Namespace string
	// Interval is the time between two reads and between two writes; default 100 ms.
	Interval time.Duration
	// Deadline is what one request has; default 5 s.
	Deadline time.Duration
}

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = metav1.NamespaceDefault
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.Deadline == 0 {
		o.Deadline = 5 * time.Second
	}
	return o
}

// slots are how many ConfigMaps are written in turn. A slot's turn comes again only after the
// request that wrote it last has met its deadline, so writes to one never overtake each other.
func (o Options) slots() int { return int(o.Deadline/o.Interval) + 10 }

// Probe is one run. Stop ends it.
type Probe struct {
	options Options
	clients [2]kubernetes.Interface // indexed by connection
	idle    func()
	asked   atomic.Int64
	cancel  context.CancelFunc
	running sync.WaitGroup
	record  *record
}

// connection is how a request reaches the server.
type connection int

const (
	kept connection = iota
	fresh
)

func (c connection) String() string { return [...]string{"kept connection", "fresh connection"}[c] }

// Start makes the probe's ConfigMaps and begins. It fails when the cluster does not answer even
// before the test has disturbed it.
func Start(ctx context.Context, config *rest.Config, options Options) (*Probe, error) {
	options = options.withDefaults()
	p := &Probe{options: options}
	transports := [2]*http.Transport{}
	for _, c := range []connection{kept, fresh} {
		var err error
		if p.clients[c], transports[c], err = newClient(config, c, &p.asked); err != nil {
			return nil, err
		}
	}
	p.idle = func() { transports[kept].CloseIdleConnections() }
	for slot := range options.slots() {
		if err := p.prepare(ctx, slot); err != nil {
			return nil, err
		}
	}
	ctx, p.cancel = context.WithCancel(ctx)
	p.record = newRecord(time.Now(), options.slots())
	p.running.Go(func() { p.every(ctx, p.read) })
	p.running.Go(func() { p.every(ctx, p.write) })
	return p, nil
}

// newClient has a transport of its own: client-go would share one with the test's other clients.
func newClient(config *rest.Config, c connection, asked *atomic.Int64) (kubernetes.Interface, *http.Transport, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // The probe keeps its own time.
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the credentials to probe with: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig: tlsConfig, DialContext: config.Dial, ForceAttemptHTTP2: true, DisableKeepAlives: c == fresh,
	}
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the credentials to probe with: %w", err)
	}
	client, err := kubernetes.NewForConfigAndClient(config, &http.Client{Transport: patient{wrapped, asked}})
	if err != nil {
		return nil, nil, fmt.Errorf("making the probe's client: %w", err)
	}
	return client, transport, nil
}

func (p *Probe) prepare(ctx context.Context, slot int) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Deadline)
	defer cancel()
	_, err := p.clients[kept].CoreV1().ConfigMaps(p.options.Namespace).Create(ctx, p.object(slot, 0), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = p.update(ctx, kept, slot, 0)
	}
	if err != nil {
		return fmt.Errorf("making the probe's ConfigMaps: %w", err)
	}
	return nil
}

// every starts one request an interval until ctx ends, then waits for those on their way.
func (p *Probe) every(ctx context.Context, request func(n int, c connection)) {
	ticker := time.NewTicker(p.options.Interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.running.Go(func() { request(n, connection(n%2)) })
	}
}

func (p *Probe) write(n int, c connection) {
	slot := n % p.options.slots()
	begin := time.Now()
	// Not the run's context: a request that is on its way when the probe stops has its deadline.
	ctx, cancel := context.WithTimeout(context.Background(), p.options.Deadline)
	defer cancel()
	err := p.update(ctx, c, slot, n)
	p.record.add(outcome{kind: Write, connection: c, begin: begin, end: time.Now(), err: err})
	if err == nil {
		p.record.acknowledge(slot, n)
	}
}

func (p *Probe) read(n int, c connection) {
	slot := n % p.options.slots()
	acknowledged := p.record.acknowledged(slot)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), p.options.Deadline)
	defer cancel()
	found, err := p.get(ctx, c, slot)
	if err == nil && found < acknowledged {
		err = fmt.Errorf("%w: slot %d holds write %d, but %d was acknowledged before", ErrLostWrite, slot, found, acknowledged)
	}
	p.record.add(outcome{kind: Read, connection: c, begin: begin, end: time.Now(), err: err})
}

// ErrLostWrite is a read that did not see a write which the server had acknowledged.
var ErrLostWrite = errors.New("an acknowledged write is lost")

// Stop ends the probe, reads every slot a last time and returns what it saw. The ConfigMaps are
// left to the cluster; a later probe uses them again.
func (p *Probe) Stop() Report {
	p.cancel()
	p.running.Wait()
	stopped := time.Now()
	for slot := range p.options.slots() {
		p.read(slot, kept)
	}
	p.idle()
	report := p.record.report(stopped)
	report.Asked = int(p.asked.Load())
	return report
}

const sequenceKey = "sequence"

func (p *Probe) object(slot, n int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("naru-probe-%d", slot), Namespace: p.options.Namespace},
		Data:       map[string]string{sequenceKey: fmt.Sprint(n)},
	}
}

func (p *Probe) update(ctx context.Context, c connection, slot, n int) error {
	object := p.object(slot, n)
	return p.clients[c].CoreV1().RESTClient().Put().MaxRetries(0).
		Namespace(object.Namespace).Resource("configmaps").Name(object.Name).Body(object).Do(ctx).Error()
}

func (p *Probe) get(ctx context.Context, c connection, slot int) (int, error) {
	var object corev1.ConfigMap
	err := p.clients[c].CoreV1().RESTClient().Get().MaxRetries(0).
		Namespace(p.options.Namespace).Resource("configmaps").Name(p.object(slot, 0).Name).Do(ctx).Into(&object)
	if err != nil {
		return 0, err
	}
	var n int
	if _, err := fmt.Sscan(object.Data[sequenceKey], &n); err != nil {
		return 0, fmt.Errorf("reading slot %d, which holds %q: %w", slot, object.Data[sequenceKey], err)
	}
	return n, nil
}
