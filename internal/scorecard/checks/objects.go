package checks

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const (
	// appLabel names an application on its pods.
	appLabel = "app"
	// port is the one that examples/hello serves on.
	port = 8080
	// nobody is the user that pods with a shell run as, appUser that of the application.
	nobody, appUser = 65534, 65532
	// sleeper is the script of a pod that only waits to be used; it ends at once when it is told to.
	sleeper = "trap 'exit 0' TERM; while :; do sleep 1; done"
)

func labels(name string) map[string]string { return map[string]string{appLabel: name} }

// appDeployment is an application that answers with its pod's name and with marker, which stands for its version.
func (p *project) appDeployment(name, marker string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name, Labels: labels(name)},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels(name)},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(name)}, Spec: p.appPod(marker)},
		},
	}
}

func (p *project) appPod(marker string) corev1.PodSpec {
	spec := podSpec(appUser, corev1.Container{
		Name: "app", Image: p.App,
		Env:   []corev1.EnvVar{{Name: markerVariable, Value: marker}},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(port)}},
			PeriodSeconds: 1, FailureThreshold: 2,
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/data"}},
	})
	spec.TerminationGracePeriodSeconds = ptr.To[int64](15)
	return spec
}

// markerVariable is what examples/hello repeats in its answer.
const markerVariable = "NODE_NAME"

// shellPod runs a script in busybox's shell.
func (p *project) shellPod(name, script string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name, Labels: labels(name)},
		Spec:       podSpec(nobody, shellContainer("shell", p.Shell, script)),
	}
}

func shellContainer(name, image, script string) corev1.Container {
	return corev1.Container{
		Name: name, Image: image, Command: []string{"sh", "-c", script},
		VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
	}
}

// podSpec hardens a pod as far as everything here allows, so that clusters which ask for it take it.
func podSpec(user int64, containers ...corev1.Container) corev1.PodSpec {
	for i := range containers {
		containers[i].SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
		if containers[i].Resources.Requests == nil {
			containers[i].Resources.Requests = resources("10m", "16Mi")
		}
	}
	return corev1.PodSpec{
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To[int64](1),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(user), RunAsGroup: ptr.To(user), FSGroup: ptr.To(user),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: containers,
		Volumes:    []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// onNode pins a pod to a node.
func onNode(spec *corev1.PodSpec, node string) {
	spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
}

// keptApart spreads the pods of an application over nodes, as evenly as there are.
func keptApart(spec *corev1.PodSpec, name string) {
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels(name)},
	}}
}

func service(namespace, name string, selector map[string]string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Selector: selector, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(port)}},
		},
	}
}

func volumeClaim(namespace, name, size string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
		},
	}
}

// mount puts a claim into a pod's first container.
func mount(spec *corev1.PodSpec, claim, path string) {
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}})
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: claim, MountPath: path})
}
