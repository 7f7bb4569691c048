package volumes

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v11/controller"

	"naru.dev/naru/test/naru"
)

func claim(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data", UID: "1", Annotations: map[string]string{
			selectedNode: "one", "volume.kubernetes.io/storage-provisioner": Provisioner,
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To("local"),
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if change != nil {
		change(c)
	}
	return c
}

func class() *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "local"}, Provisioner: Provisioner,
		ReclaimPolicy:     ptr.To(corev1.PersistentVolumeReclaimDelete),
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}

func newLocal(t *testing.T, node string) *local {
	t.Helper()
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "two"}})
	return &local{client: client, node: node, root: t.TempDir(), log: slog.New(slog.DiscardHandler)}
}

func (l *local) provision(t *testing.T) *corev1.PersistentVolume {
	t.Helper()
	made, _, err := l.Provision(t.Context(), controller.ProvisionOptions{StorageClass: class(), PVName: "pvc-1", PVC: claim(nil)})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestProvision(t *testing.T) {
	t.Run("when a claim's pod comes to this node, it makes a folder that any user may write to, and binds the volume to the node", func(t *testing.T) {
		l := newLocal(t, "one")
		made := l.provision(t)
		info, err := os.Stat(made.Spec.Local.Path)
		if err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("the folder is %v, %v", info, err)
		}
		if got, want := made.Spec.Local.Path, filepath.Join(l.root, "pvc-1_shop_data"); got != want {
			t.Errorf("got path %s, want %s", got, want)
		}
		if nodeOf(made) != "one" {
			t.Errorf("it is bound to %q", nodeOf(made))
		}
		if diff := cmp.Diff("1Gi", made.Spec.Capacity.Storage().String()); diff != "" {
			t.Error(diff)
		}
	})
	for reason, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"when many nodes want to write, it refuses": func(c *corev1.PersistentVolumeClaim) {
			c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		},
		"when volumes are selected by labels, it refuses": func(c *corev1.PersistentVolumeClaim) { c.Spec.Selector = &metav1.LabelSelector{} },
		"when content is wanted, it refuses": func(c *corev1.PersistentVolumeClaim) {
			c.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "yesterday"}
		},
	} {
		t.Run(reason+", and makes no folder", func(t *testing.T) {
			l := newLocal(t, "one")
			_, state, err := l.Provision(t.Context(), controller.ProvisionOptions{StorageClass: class(), PVName: "pvc-1", PVC: claim(change)})
			if err == nil || state != controller.ProvisioningFinished {
				t.Errorf("got %v, %v", state, err)
			}
			if left, _ := os.ReadDir(l.root); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
	t.Run("when a claim's pod comes to another node, it is not this node's to make", func(t *testing.T) {
		if newLocal(t, "two").ShouldProvision(t.Context(), claim(nil)) {
			t.Error("it would make it")
		}
	})
}

func TestDelete(t *testing.T) {
	t.Run("when it is this node's, the folder goes with what is in it", func(t *testing.T) {
		l := newLocal(t, "one")
		made := l.provision(t)
		if err := os.WriteFile(filepath.Join(made.Spec.Local.Path, "row"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Delete(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(made.Spec.Local.Path); !os.IsNotExist(err) {
			t.Errorf("the folder is there: %v", err)
		}
	})
	t.Run("when the path is not directly below the root, nothing is deleted", func(t *testing.T) {
		l := newLocal(t, "one")
		made := l.provision(t)
		for _, path := range []string{l.root, filepath.Join(l.root, ".."), filepath.Join(made.Spec.Local.Path, "deeper"), "/etc/naru", made.Spec.Local.Path + "/../../other"} {
			made.Spec.Local.Path = path
			if err := l.Delete(t.Context(), made); !errors.Is(err, ErrForeign) {
				t.Errorf("%s: got %v", path, err)
			}
		}
	})
	for reason, c := range map[string]struct {
		node  string
		phase corev1.PersistentVolumePhase
		want  bool
	}{
		"when it is this node's, it may go":                                     {"two", corev1.VolumeReleased, true},
		"when it is another node's, it may not":                                 {"one", corev1.VolumeReleased, false},
		"when its node is gone, it may":                                         {"three", corev1.VolumeReleased, true},
		"when its node is gone and a claim still has it, it may not":            {"three", corev1.VolumeBound, false},
		"when it has no node, it may not: another provisioner's volumes do not": {"", corev1.VolumeBound, false},
	} {
		t.Run(reason, func(t *testing.T) {
			l := newLocal(t, "two")
			v := volume(controller.ProvisionOptions{StorageClass: class(), PVName: "v", PVC: claim(nil)}, l.root+"/v", c.node)
			v.Status.Phase = c.phase
			if got := l.ShouldDelete(t.Context(), v); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestRun has the library and the provisioner work together on an API.
func TestRun(t *testing.T) {
	client := fake.NewClientset(class(), claim(nil), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "one"}})
	l := &local{client: client, node: "one", root: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go l.run(ctx)
	volumes := client.CoreV1().PersistentVolumes()
	var made *corev1.PersistentVolume
	err := naru.Eventually(ctx, "the volume", 10*time.Second, func(ctx context.Context) (err error) {
		made, err = volumes.Get(ctx, "pvc-1", metav1.GetOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.Spec.ClaimRef == nil || made.Spec.ClaimRef.Name != "data" {
		t.Errorf("it is for %v", made.Spec.ClaimRef)
	}
	made.Status.Phase = corev1.VolumeReleased
	if _, err := volumes.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	err = naru.Eventually(ctx, "its end", 10*time.Second, func(ctx context.Context) error {
		_, err := volumes.Get(ctx, "pvc-1", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.New("it is there")
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(made.Spec.Local.Path); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}
