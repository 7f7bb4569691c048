package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"naru.dev/naru/api/v1alpha1"
)

// Publisher keeps the published ports as the hosting cluster's Services ask.
type Publisher struct {
	Dial Dial
	// Report is called with what is wrong, by Service or address, whenever that may have changed.
	Report func(problems map[string]string)

	mu       sync.Mutex
	forwards map[string]*Forward
	// published are the Services, namespace/name, whose ports are as they ask.
	published map[string]bool
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
		p.answer(ctx, client, all)
	}
}

func (p *Publisher) sync(services []*corev1.Service, slices []*discoveryv1.EndpointSlice) {
	ports, problems := Plan(services, slices)
	published := map[string]bool{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = published
	if p.forwards == nil {
		p.forwards = map[string]*Forward{}
	}
	for address, forward := range p.forwards {
		if _, wanted := ports[address]; !wanted {
			forward.Close()
			delete(p.forwards, address)
		}
	}
	for address, port := range ports {
		if p.forwards[address] == nil {
			forward, err := Listen(address, p.Dial)
			if err != nil {
				problems[address] = err.Error()
				continue
			}
			p.forwards[address] = forward
		}
		p.forwards[address].SetSources(port.Sources)
		p.forwards[address].SetEndpoints(port.Endpoints)
		published[port.Service] = true
	}
	p.Report(problems)
}

// answer tells Services which of their wishes for sources is in force. What can't be told is told later.
func (p *Publisher) answer(ctx context.Context, client kubernetes.Interface, services []*corev1.Service) {
	for _, service := range services {
		wanted, limited := service.Annotations[v1alpha1.AnnotationPublishFrom]
		told, was := service.Annotations[v1alpha1.AnnotationPublishedFrom]
		if limited == was && wanted == told || !p.published[service.Namespace+"/"+service.Name] {
			continue
		}
		var value any
		if limited {
			value = wanted
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationPublishedFrom: value}}})
		if err != nil {
			continue // strings can always be encoded
		}
		_, err = client.CoreV1().Services(service.Namespace).Patch(ctx, service.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "naru-daemon"})
		if err != nil && ctx.Err() == nil {
			p.Report(map[string]string{service.Namespace + "/" + service.Name: "saying what is in force: " + err.Error()})
		}
	}
}

func (p *Publisher) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, forward := range p.forwards {
		forward.Close()
	}
	p.forwards = nil
}
