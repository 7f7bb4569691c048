package pod

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/machines"
	"naru.dev/naru/internal/node/nodeconfig"
)

const (
	// cpuRequestPercent and memoryRequestPercent are what a node pod requests of its class's promise. A request is
	// what the hosting scheduler sets aside; the pods inside rarely use what they may, so hosts are overcommitted on
	// purpose, processor time (which is shared when short) more than memory (which is not). A request is also the share
	// of a host that is busy: an API server's is above that of two CPUs' machine, which waits for it when a cluster is made.
	cpuRequestPercent, memoryRequestPercent = 1, 10

	// gracePeriod covers PID 1's: ten seconds a supervised process and eight for the containers.
	gracePeriod = 30
	// hostLostSeconds is how long a node pod stays on a host that stopped answering. Its node was found unhealthy in
	// the managed cluster by then, and is being replaced.
	hostLostSeconds = 30

	// filesAnnotation on a node pod tells which bootstrap files its Secret had last. A kubelet looks at a pod's mounted Secrets
	// every minute or so, and at once when the pod changes.
	filesAnnotation = "naru.dev/bootstrap-files"

	container  = "node"
	configPath = "/etc/naru"
)

// state lists the folders of a node that must outlive a restart of its container: overlayfs can't lie on
// overlayfs, the kubelet's identity is in its folder, and volumes of the node's pods are data.
var state = []struct{ name, path string }{
	{"containerd", "/var/lib/containerd"},
	{"kubelet", "/var/lib/kubelet"},
	{"log", "/var/log"},
	{"volumes", "/var/lib/naru-volumes"},
}

// Render returns the Secret with a machine's bootstrap files and the pod that is the machine. It is pure.
func Render(blueprint machines.Blueprint) (*corev1.Secret, *corev1.Pod) {
	return renderSecret(blueprint), renderPod(blueprint)
}

func renderSecret(blueprint machines.Blueprint) *corev1.Secret {
	meta := objectMeta(blueprint.Machine)
	meta.Name = secretName(meta.Name)
	return &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretTypeOpaque, Data: blueprint.Files}
}

func renderPod(blueprint machines.Blueprint) *corev1.Pod {
	machine := blueprint.Machine
	meta := objectMeta(machine)
	meta.Annotations = map[string]string{filesAnnotation: filesHash(blueprint.Files)}
	return &corev1.Pod{
		ObjectMeta: meta,
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			DNSPolicy:                     corev1.DNSDefault, // hosting Services are none of a tenant's business
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: ptr.To[int64](gracePeriod),
			NodeSelector:                  nodeSelector(machine),
			Tolerations:                   tolerations(),
			TopologySpreadConstraints:     spread(machine),
			Containers: []corev1.Container{{
				Name:            container,
				Image:           machine.Spec.Image,
				ImagePullPolicy: corev1.PullIfNotPresent,
				Command:         []string{"/usr/local/bin/naru", "node", "--config", nodeconfig.Path},
				SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(true)},
				Resources:       resources(blueprint.Class),
				VolumeMounts:    mounts(),
			}},
			Volumes: volumes(machine),
		},
	}
}

func objectMeta(machine *v1alpha1.Machine) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: machine.Namespace,
		Name:      machine.Name,
		Labels: map[string]string{
			v1alpha1.LabelCluster:      v1alpha1.ClusterOf(machine.Namespace),
			v1alpha1.LabelComponent:    component,
			v1alpha1.LabelMachine:      machine.Name,
			v1alpha1.LabelNodeGroup:    machine.Spec.NodeGroup,
			v1alpha1.LabelMachineClass: machine.Spec.MachineClass,
		},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(machine, v1alpha1.GroupVersion.WithKind("Machine"))},
	}
}

// filesHash tells bootstrap files from others.
func filesHash(files map[string][]byte) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%q %q\n", name, files[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func secretName(machine string) string { return machine + "-bootstrap" }

func nodeSelector(machine *v1alpha1.Machine) map[string]string {
	if machine.Spec.Zone == "" {
		return nil
	}
	return map[string]string{corev1.LabelTopologyZone: machine.Spec.Zone}
}

func tolerations() []corev1.Toleration {
	tolerated := []corev1.Toleration{{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		tolerated = append(tolerated, corev1.Toleration{
			Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](hostLostSeconds),
		})
	}
	return tolerated
}

// spread keeps a cluster's machines on different hosts of a zone where it can.
func spread(machine *v1alpha1.Machine) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{
		MaxSkew:           1,
		TopologyKey:       corev1.LabelHostname,
		WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
			v1alpha1.LabelComponent: component, v1alpha1.LabelNodeGroup: machine.Spec.NodeGroup,
		}},
	}}
}

func resources(class v1alpha1.MachineClassSpec) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceCPU: class.CPU, corev1.ResourceMemory: class.Memory},
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(class.CPU.MilliValue()*cpuRequestPercent/100, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(class.Memory.Value()*memoryRequestPercent/100, resource.BinarySI),
		},
	}
}

func mounts() []corev1.VolumeMount {
	all := []corev1.VolumeMount{{Name: "bootstrap", MountPath: configPath, ReadOnly: true}}
	for _, folder := range state {
		all = append(all, corev1.VolumeMount{Name: folder.name, MountPath: folder.path})
	}
	return all
}

func volumes(machine *v1alpha1.Machine) []corev1.Volume {
	all := []corev1.Volume{{Name: "bootstrap", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: secretName(machine.Name), DefaultMode: ptr.To[int32](0o400),
	}}}}
	for _, folder := range state {
		all = append(all, corev1.Volume{Name: folder.name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return all
}
