package backend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// world is a hosting cluster without controllers.
func world(t *testing.T, objects ...client.Object) (*Backend, client.WithWatch) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	known := catalogue()
	for i := range known.Releases {
		objects = append(objects, &known.Releases[i])
	}
	for _, name := range known.MachineClasses {
		class := &v1alpha1.MachineClass{}
		class.Name = name
		objects = append(objects, class)
	}
	host := &corev1.Node{}
	host.Name, host.Labels = "host-1", map[string]string{corev1.LabelTopologyZone: "naru-1a"}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, host)...).
		WithStatusSubresource(&v1alpha1.Cluster{}, &v1alpha1.NodeGroup{}).Build()
	return New(c), c
}

func namespace(cluster string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace(cluster)}}
}

func prod() *v1alpha1.Cluster { return NewCluster("prod", "1.37", 3, v1alpha1.NetworkingSpec{}) }

func web(desired int32) *v1alpha1.NodeGroup {
	return NewNodeGroup("prod", "web", v1alpha1.NodeGroupSpec{
		MachineClasses: []string{"t3.medium"}, Scaling: v1alpha1.ScalingSpec{Max: 3, Desired: &desired},
	})
}

func count(t *testing.T, c client.Client, list client.ObjectList) int {
	t.Helper()
	if err := c.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	switch list := list.(type) {
	case *v1alpha1.ClusterList:
		return len(list.Items)
	case *v1alpha1.NodeGroupList:
		return len(list.Items)
	}
	return -1
}

func TestCreateCluster(t *testing.T) {
	t.Run("when the namespace comes later, the group is written then", func(t *testing.T) {
		_, c := world(t)
		// What the controller does, at the latest possible time: when somebody waits for it.
		b := New(interceptor.NewClient(c, interceptor.Funcs{
			Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
				events, err := c.Watch(ctx, list, options...)
				if _, waits := list.(*corev1.NamespaceList); waits && err == nil {
					err = c.Create(ctx, namespace("prod"))
				}
				return events, err
			},
		}))
		if err := b.CreateCluster(t.Context(), prod(), web(2)); err != nil {
			t.Fatal(err)
		}
		if got := count(t, c, &v1alpha1.NodeGroupList{}); got != 1 {
			t.Errorf("%d node groups", got)
		}
	})
	t.Run("when the group can't be, nothing is written", func(t *testing.T) {
		b, c := world(t)
		err := b.CreateCluster(t.Context(), prod(), web(9))
		requireInvalid(t, err, "spec.scaling", "desired must lie between")
		if got := count(t, c, &v1alpha1.ClusterList{}); got != 0 {
			t.Errorf("%d clusters", got)
		}
	})
	t.Run("when it exists, it is refused", func(t *testing.T) {
		b, _ := world(t, prod())
		requireRefused(t, b.CreateCluster(t.Context(), prod()), "exists already")
	})
	t.Run("when the wait ends before the namespace comes, the error says how to go on", func(t *testing.T) {
		b, _ := world(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var wait *WaitError
		if err := b.CreateCluster(ctx, prod(), web(2)); !errors.As(err, &wait) || wait.Interrupted || !strings.Contains(err.Error(), "naru get cluster prod -w") {
			t.Errorf("got %v", err)
		}
	})
}

func requireRefused(t *testing.T, err error, words string) {
	t.Helper()
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want …%s…", err, words)
	}
}

func TestDeleteCluster(t *testing.T) {
	t.Run("when it does not exist, it says which do", func(t *testing.T) {
		b, _ := world(t, prod())
		var missing *NotFoundError
		if err := b.DeleteCluster(t.Context(), "prdo"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "there is prod") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when it is being deleted already, it is refused", func(t *testing.T) {
		cluster := prod()
		cluster.Finalizers = []string{v1alpha1.Finalizer}
		b, _ := world(t, cluster)
		if err := b.DeleteCluster(t.Context(), "prod"); err != nil {
			t.Fatal(err)
		}
		requireRefused(t, b.DeleteCluster(t.Context(), "prod"), "is being deleted since")
		requireRefused(t, b.CreateCluster(t.Context(), prod()), "is being deleted since")
	})
	t.Run("when it is protected, it is refused", func(t *testing.T) {
		cluster := prod()
		cluster.Spec.DeletionProtection = true
		b, c := world(t, cluster)
		requireRefused(t, b.DeleteCluster(t.Context(), "prod"), "deletionProtection")
		if got := count(t, c, &v1alpha1.ClusterList{}); got != 1 {
			t.Errorf("%d clusters", got)
		}
	})
	t.Run("when it is gone, the wait ends", func(t *testing.T) {
		b, _ := world(t)
		if err := b.AwaitClusterGone(t.Context(), "prod", func(*v1alpha1.Cluster) {}); err != nil {
			t.Error(err)
		}
	})
}

func TestScaleNodeGroup(t *testing.T) {
	b, c := world(t, prod(), namespace("prod"), web(2))
	read := func() v1alpha1.ScalingSpec {
		group := &v1alpha1.NodeGroup{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(web(0)), group); err != nil {
			t.Fatal(err)
		}
		return group.Spec.Scaling
	}
	t.Run("when desired is above max, it is refused and nothing changes", func(t *testing.T) {
		before := read()
		_, err := b.ScaleNodeGroup(t.Context(), "prod", "web", Scaling{Desired: ptr.To(int32(4))})
		requireInvalid(t, err, "spec.scaling", "desired is 4, min 0, max 3")
		if diff := cmp.Diff(before, read()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when max is raised with it, it is written", func(t *testing.T) {
		if _, err := b.ScaleNodeGroup(t.Context(), "prod", "web", Scaling{Desired: ptr.To(int32(4)), Max: ptr.To(int32(5))}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v1alpha1.ScalingSpec{Max: 5, Desired: ptr.To(int32(4))}, read()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when it is to be dynamic, desired goes", func(t *testing.T) {
		if _, err := b.ScaleNodeGroup(t.Context(), "prod", "web", Scaling{Min: ptr.To(int32(1)), Dynamic: true}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v1alpha1.ScalingSpec{Min: 1, Max: 5}, read()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when the cluster does not exist, it says so", func(t *testing.T) {
		_, err := b.ScaleNodeGroup(t.Context(), "test", "web", Scaling{})
		var missing *NotFoundError
		if !errors.As(err, &missing) || missing.Kind != "cluster" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAwaitCluster(t *testing.T) {
	t.Run("when it becomes ready for its present spec, the wait ends", func(t *testing.T) {
		cluster := prod()
		cluster.Generation = 2
		conditions.True(cluster, v1alpha1.ClusterReady, v1alpha1.ReasonReady, "")
		cluster.Status.Conditions[0].ObservedGeneration = 1
		b, c := world(t, cluster)
		seen := 0
		err := b.AwaitCluster(t.Context(), "prod", func(o *v1alpha1.Cluster) {
			if seen++; seen > 1 {
				return
			}
			changed := o.DeepCopy()
			conditions.True(changed, v1alpha1.ClusterReady, v1alpha1.ReasonReady, "")
			if err := c.Status().Update(t.Context(), changed); err != nil {
				t.Error(err)
			}
		})
		if err != nil || seen < 2 {
			t.Errorf("seen %d times, error %v", seen, err)
		}
	})
	t.Run("when the user ends the wait, the error says what is missing and that the work goes on", func(t *testing.T) {
		cluster := prod()
		conditions.False(cluster, v1alpha1.ClusterEtcdReady, v1alpha1.ReasonProgressing, "2 of 3 members are healthy")
		b, _ := world(t, cluster)
		ctx, cancel := context.WithCancel(t.Context())
		err := b.AwaitCluster(ctx, "prod", func(*v1alpha1.Cluster) { cancel() })
		want := `stopped waiting for cluster "prod" to be ready
  EtcdReady: 2 of 3 members are healthy
The work goes on: watch it with "naru get cluster prod -w", look closer with "naru describe cluster prod"`
		if err == nil {
			t.Fatal("no error")
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Error(diff)
		}
	})
}
