package publish

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Publisher keeps the published ports as the hosting cluster's Services ask.
type Publisher struct {
	Dial Dial
	// Report is called with what is wrong, by Service or address, whenever that may have changed.
	Report func(problems map[string]string)

	mu       sync.Mutex
	forwards map[string]*Forward
}

// Run watches the hosting cluster until ctx ends, then closes all ports.
func (p *Publisher) Run(ctx context.Context, config *rest.Config) error {
	defer p.closeAll()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making client of the hosting cluster: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services()
	endpointSlices := factory.Discovery().V1().EndpointSlices()
	changed := make(chan struct{}, 1)
	notify := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: notify, DeleteFunc: notify, UpdateFunc: func(_, o any) { notify(o) }}
	for _, informer := range []cache.SharedIndexInformer{services.Informer(), endpointSlices.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watching Services: %w", err)
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	// A port that somebody else holds is tried again.
	again := time.NewTicker(5 * time.Second)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			factory.Shutdown()
			return nil
		case <-changed:
		case <-again.C:
		}
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			return fmt.Errorf("listing Services: %w", err)
		}
		slices, err := endpointSlices.Lister().List(labels.Everything())
		if err != nil {
			return fmt.Errorf("listing EndpointSlices: %w", err)
		}
		p.sync(all, slices)
	}
}

func (p *Publisher) sync(services []*corev1.Service, slices []*discoveryv1.EndpointSlice) {
	ports, problems := Plan(services, slices)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forwards == nil {
		p.forwards = map[string]*Forward{}
	}
	for address, forward := range p.forwards {
		if _, wanted := ports[address]; !wanted {
			forward.Close()
			delete(p.forwards, address)
		}
	}
	for address, endpoints := range ports {
		if p.forwards[address] == nil {
			forward, err := Listen(address, p.Dial)
			if err != nil {
				problems[address] = err.Error()
				continue
			}
			p.forwards[address] = forward
		}
		p.forwards[address].SetEndpoints(endpoints)
	}
	p.Report(problems)
}

func (p *Publisher) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, forward := range p.forwards {
		forward.Close()
	}
	p.forwards = nil
}
