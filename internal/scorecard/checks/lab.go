package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

// Keeper remembers what has to be taken away, so that it is even after a crash. scorecard.State is one.
type Keeper interface {
	Leave(scorecard.Leftover) error
	Cleared(scorecard.Leftover) error
}

// Lab is where checks work: the clusters that rows share, and what was made in them.
type Lab struct {
	// Platform is Naru's own side; nil where only a kubeconfig was given.
	Platform *Platform
	// Open connects to the cluster that rows share, or makes it. It is called once. own tells that it is the
	// evaluation's own, which goes with everything in it.
	Open func(ctx context.Context) (c *Cluster, own bool, err error)
	// Keep leaves everything where it is.
	Keep   bool
	Keeper Keeper
	// Now is the clock.
	Now func() time.Time

	main   once[*Cluster]
	second once[*definedCluster]
	shared *experiment[shares]

	mu sync.Mutex
	// own tells that the shared cluster is the evaluation's; namespaces are those that are there in it.
	own        bool
	version    string
	namespaces []string
}

// once makes something when it is first asked for.
type once[T any] struct {
	mu    sync.Mutex
	made  bool
	value T
	err   error
}

func (o *once[T]) get(create func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.made {
		o.value, o.err = create()
		o.made = true
	}
	return o.value, o.err
}

// Main is the cluster that most rows share.
func (l *Lab) Main(ctx context.Context) (*Cluster, error) {
	return l.main.get(func() (*Cluster, error) {
		cluster, own, err := l.Open(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.own = own
		if err == nil {
			// For the report only: a row that needs the version asks for it.
			if data, err := cluster.Raw(ctx, "/version"); err == nil {
				l.version = field(data, "gitVersion")
			}
		}
		return cluster, err
	})
}

const (
	namespacePrefix = "naru-eval-"
	namespaceLabel  = "naru.dev/evaluate"
)

// project makes a namespace for a row in the shared cluster.
func (l *Lab) project(ctx context.Context, row string, log *scorecard.Log) (*project, error) {
	cluster, err := l.Main(ctx)
	if err != nil {
		return nil, err
	}
	name := namespacePrefix + strings.ToLower(row) + "-" + rand.String(5)
	if err := l.note(name); err != nil {
		return nil, err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{namespaceLabel: strings.ToLower(row)}}}
	if _, err := cluster.Kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		var refused apierrors.APIStatus
		if errors.As(err, &refused) {
			err = errors.Join(err, l.unnote(name)) // where there was no answer it may have been made
		}
		return nil, fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return &project{Cluster: cluster, namespace: name, log: log, leave: func() { l.abandon(ctx, cluster, name) }}, nil
}

// note remembers a namespace before it is made. In a cluster of one's own there is no need to: it goes with it.
func (l *Lab) note(namespace string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.namespaces = append(l.namespaces, namespace)
	if l.own {
		return nil
	}
	return l.Keeper.Leave(l.leftover(namespace))
}

// unnote forgets a namespace that was not made.
func (l *Lab) unnote(namespace string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.namespaces = slices.DeleteFunc(l.namespaces, func(n string) bool { return n == namespace })
	if l.own {
		return nil
	}
	return l.Keeper.Cleared(l.leftover(namespace))
}

func (l *Lab) leftover(namespace string) scorecard.Leftover {
	return scorecard.Leftover{Kind: scorecard.LeftNamespace, Name: namespace, Where: l.main.value.Name}
}

// abandon asks for a namespace's deletion, also after ctx's end. Close sees that it is gone.
func (l *Lab) abandon(ctx context.Context, cluster *Cluster, namespace string) {
	if l.Keep {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// What is not deleted here is in Close: nobody could do anything about an error now.
	_ = cluster.Kube.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
}

// closeTime bounds how long namespaces may take to go.
const closeTime = 2 * time.Minute

// Close takes everything away that was made, also what checks that hang have left. ctx may have ended.
func (l *Lab) Close(ctx context.Context) error {
	if l.Keep {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	var failures []error
	if l.main.made && l.main.err == nil && !l.own {
		for _, namespace := range l.namespaces {
			failures = append(failures, l.removeNamespace(ctx, l.main.value, namespace))
		}
	}
	if l.Platform != nil {
		failures = append(failures, l.Platform.removeClusters(ctx, l.Keeper), l.Platform.removeImages(ctx, l.Keeper))
	}
	return errors.Join(failures...)
}

func (l *Lab) removeNamespace(ctx context.Context, cluster *Cluster, name string) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	var refused error
	err := await(ctx, "namespace "+name+" to be gone", closeTime, func(ctx context.Context) error {
		err := cluster.Kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			refused = err // trying again changes nothing
			return nil
		}
		if err == nil || apierrors.IsConflict(err) {
			err = errors.New("it is being deleted")
		}
		return err
	})
	if err := errors.Join(err, refused); err != nil {
		return fmt.Errorf("deleting namespace %s: %w", name, err)
	}
	return l.Keeper.Cleared(scorecard.Leftover{Kind: scorecard.LeftNamespace, Name: name, Where: cluster.Name})
}

// Sweep takes away what an earlier run that ended badly has left. Namespaces of other clusters stay, and are named.
func (l *Lab) Sweep(ctx context.Context, leftovers []scorecard.Leftover) error {
	var failures []error
	for _, left := range leftovers {
		switch left.Kind {
		case scorecard.LeftCluster:
			if l.Platform != nil {
				failures = append(failures, l.Platform.remove(ctx, left.Name, l.Keeper))
			}
		case scorecard.LeftImage:
			if l.Platform != nil {
				failures = append(failures, l.Platform.removeImage(ctx, left.Name, l.Keeper))
			}
		case scorecard.LeftUser:
			if l.Platform != nil {
				failures = append(failures, l.Platform.removeUser(ctx, left.Name, l.Keeper))
			}
		case scorecard.LeftNamespace:
			if cluster, err := l.Main(ctx); err == nil && cluster.Name == left.Where {
				failures = append(failures, l.removeNamespace(ctx, cluster, left.Name))
			}
		}
	}
	return errors.Join(failures...)
}

// Described names the shared cluster, if it was there, and the version of its API as it was seen.
func (l *Lab) Described() (name, version string) {
	if !l.main.made || l.main.err != nil {
		return "", ""
	}
	return l.main.value.Name, l.version
}
