// Package volumes makes the volumes of claims whose pod the scheduler has put on this node: each is a folder below one
// root, or a disk that is mounted there, bound to its node. It runs on every node beside the agent, as CSI provisioners do that are deployed with
// --node-deployment (https://github.com/kubernetes-csi/external-provisioner#deployment-on-each-node): no helper pod has
// to start before a folder exists.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v11/controller"
)

const (
	// Provisioner is the name that a StorageClass chooses these volumes by.
	Provisioner = "naru.dev/local"
	// Root is where the folders are, on embedded hosts and on machines alike.
	Root = "/var/lib/naru-volumes"

	// selectedNode is what the scheduler notes on a claim that waits for its first consumer.
	selectedNode = "volume.kubernetes.io/selected-node"
	// resync is how soon the volumes of a node that is gone are noticed.
	resync = time.Minute
)

// ErrForeign says that a volume's folder is not one that this package makes: it is not touched.
var ErrForeign = errors.New("the volume is not a folder of its own below the root") //nolint:gochecknoglobals // sentinel

// Form is what a volume is on its node.
type Form string

const (
	// Folders can grow to what the node's disk has.
	Folders Form = "folders"
	// Disks can't hold more than their claim asks for.
	Disks Form = "disks"
)

// Run makes and deletes this node's volumes until ctx ends. New ones are of the given form.
func Run(ctx context.Context, client kubernetes.Interface, node string, form Form, log *slog.Logger) {
	(&local{client: client, node: node, form: form, root: Root, log: log}).run(ctx)
}

// local is the volumes of one node.
type local struct {
	client     kubernetes.Interface
	node, root string
	form       Form
	log        *slog.Logger
}

var (
	_ controller.Provisioner   = (*local)(nil)
	_ controller.Qualifier     = (*local)(nil)
	_ controller.DeletionGuard = (*local)(nil)
)

func (l *local) run(ctx context.Context) {
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(l.log.Handler()))
	controller.NewProvisionController(ctx, l.client, Provisioner, l,
		// Each node has its own volumes: there is nobody to compete with.
		controller.LeaderElection(false),
		// A folder needs no protection beyond its volume's: what is deleted with kubectl is meant to be.
		controller.AddFinalizer(false),
		controller.ResyncPeriod(resync),
	).Run(ctx)
}

// ShouldProvision is true for claims whose pod comes to this node.
func (l *local) ShouldProvision(_ context.Context, claim *corev1.PersistentVolumeClaim) bool {
	return claim.Annotations[selectedNode] == l.node
}

// Provision makes the volume. Its folder belongs to nobody, because a pod that runs as a user of its own names no group
// that the kubelet could give it to.
func (l *local) Provision(ctx context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if err := check(options.PVC); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	path := filepath.Join(l.root, folder(options.PVName, options.PVC))
	if l.form == Disks {
		if err := makeDisk(ctx, path, options.PVC.Spec.Resources.Requests.Storage().Value()); err != nil {
			return nil, controller.ProvisioningFinished, err
		}
		return volume(options, path, l.node), controller.ProvisioningFinished, nil
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("making the volume's folder: %w", err)
	}
	// Past the umask.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("opening the volume's folder: %w", err)
	}
	return volume(options, path, l.node), controller.ProvisioningFinished, nil
}

// ShouldDelete is true for this node's volumes, and for those of nodes that do not exist: their folders went with them.
func (l *local) ShouldDelete(ctx context.Context, volume *corev1.PersistentVolume) bool {
	node := nodeOf(volume)
	if node == l.node {
		return true
	}
	if volume.Status.Phase != corev1.VolumeReleased {
		return false
	}
	_, err := l.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		l.log.Warn("looking for the node of a released volume", "volume", volume.Name, "node", node, "error", err)
	}
	return apierrors.IsNotFound(err)
}

// Delete removes the volume, whatever its form, and what is in it.
func (l *local) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if nodeOf(volume) != l.node {
		return nil
	}
	if volume.Spec.Local == nil || filepath.Dir(filepath.Clean(volume.Spec.Local.Path)) != l.root {
		return fmt.Errorf("deleting volume %s: %w", volume.Name, ErrForeign)
	}
	if err := dropDisk(volume.Spec.Local.Path); err != nil {
		return fmt.Errorf("deleting volume %s: %w", volume.Name, err)
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return fmt.Errorf("deleting the folder of volume %s: %w", volume.Name, err)
	}
	return nil
}

// check refuses what a folder on one node can't be.
func check(claim *corev1.PersistentVolumeClaim) error {
	for _, mode := range claim.Spec.AccessModes {
		if mode != corev1.ReadWriteOnce && mode != corev1.ReadWriteOncePod {
			return fmt.Errorf("access mode %s is not possible: the volume is on one node; use %s or %s", mode, corev1.ReadWriteOnce, corev1.ReadWriteOncePod)
		}
	}
	if claim.Spec.Selector != nil {
		return errors.New("spec.selector chooses among volumes that exist: leave it out, or set storageClassName to \"\"")
	}
	if source := claim.Spec.DataSource; source != nil {
		return fmt.Errorf("spec.dataSource (%s %s) is not possible: volumes are made empty", source.Kind, source.Name)
	}
	return nil
}

// folder says to people whose it is; its first part alone is unique.
func folder(name string, claim *corev1.PersistentVolumeClaim) string {
	return name + "_" + claim.Namespace + "_" + claim.Name
}

func volume(options controller.ProvisionOptions, path, node string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: slices.Clone(options.PVC.Spec.AccessModes),
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			MountOptions:                  options.StorageClass.MountOptions,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
				}}}},
			}},
		},
	}
}

// nodeOf is the node that a volume of this package is bound to; "" for other volumes.
func nodeOf(volume *corev1.PersistentVolume) string {
	affinity := volume.Spec.NodeAffinity
	if affinity == nil || affinity.Required == nil {
		return ""
	}
	for _, term := range affinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == corev1.LabelHostname && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				return e.Values[0]
			}
		}
	}
	return ""
}
