// Package controlplane holds the packages that say what a control plane looks like, and the test of all they render.
package controlplane

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/controlplane/addons"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/authentication"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/controllermanager"
	"naru.dev/naru/internal/controlplane/etcd"
	"naru.dev/naru/internal/controlplane/front"
	"naru.dev/naru/internal/controlplane/front/endpoint"
	"naru.dev/naru/internal/controlplane/isolation"
	"naru.dev/naru/internal/controlplane/karpenter"
	"naru.dev/naru/internal/controlplane/pki"
	"naru.dev/naru/internal/controlplane/scheduler"
	"naru.dev/naru/internal/tier"
	"naru.dev/naru/test/golden"
)

func scope(replicas int32) component.Scope {
	s := component.Scope{
		Cluster: "demo", Namespace: "naru-demo", Version: "1.37.1",
		Replicas: replicas, APIServers: replicas, EtcdReplicas: replicas, EtcdServers: replicas,
		PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16", FrontAddress: "100.65.1.2", Port: 6443,
		HostingPods: "100.64.0.0/16", HostingServices: "100.65.0.0/16", HostingDNS: "100.65.0.10", Registry: "100.65.0.20",
		Authenticator: "100.65.0.21", AuthenticatorCA: "authority\n",
		Authentication: "apiVersion: apiserver.config.k8s.io/v1\n",
		PodRoles:       "100.65.0.22", Issuer: "https://127.0.0.1:6441/id/0123456789ABCDEF0123456789ABCDEF",
		Images: map[string]string{}, Hashes: map[string]string{},
	}
	for _, image := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "haproxy", "naru", "coredns",
		"konnectivity-server", "konnectivity-agent", "metrics-server"} {
		s.Images[image] = "registry.naru.local/" + image + ":v1"
	}
	for _, secret := range []string{"ca", "trust", "etcd-ca", "front-proxy-ca", "sa", "konnectivity-ca", "konnectivity-server", "apiserver-authenticator-client",
		"kubeconfig-controller-manager", "kubeconfig-scheduler", "kubeconfig-karpenter"} {
		s.Hashes[secret] = "hash of " + secret
	}
	return s
}

func components() map[string]component.Component {
	return map[string]component.Component{
		"authentication": authentication.New(),
		"apiserver":      apiserver.New(), "controllermanager": controllermanager.New(), "endpoint": endpoint.New(), "etcd": etcd.New(),
		"front": front.New(), "isolation": isolation.New(), "karpenter": karpenter.New(), "scheduler": scheduler.New(),
	}
}

func TestRender(t *testing.T) {
	for form, replicas := range map[string]int32{"ha": 3, "small": 1} {
		for name, part := range components() {
			t.Run("when the form is "+form+", it renders "+name+" as committed", func(t *testing.T) {
				objects, err := part.Render(scope(replicas))
				if err != nil {
					t.Fatal(err)
				}
				golden.Objects(t, form+"/"+name+".yaml", objects)
			})
		}
	}
	t.Run("when settings are changed, the flags that they are are rendered", func(t *testing.T) {
		s := scope(1)
		s.APIServer = v1alpha1.APIServerSpec{EventTTL: "2h", NodePortRange: "31000-31999", AuditLog: v1alpha1.AuditLogEnabled}
		s.ControllerManager = v1alpha1.ControllerManagerSpec{HPASyncPeriod: "30s", TerminatedPodGCThreshold: 100}
		var args string
		for _, part := range []component.Component{apiserver.New(), controllermanager.New()} {
			objects, err := part.Render(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				text, err := object.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				args += string(text)
			}
		}
		for _, flag := range []string{"--event-ttl=2h", "--service-node-port-range=31000-31999", "--horizontal-pod-autoscaler-sync-period=30s", "--terminated-pod-gc-threshold=100", "--audit-log-path=-"} {
			if !strings.Contains(args, `"`+flag+`"`) {
				t.Errorf("%s is missing", flag)
			}
		}
	})
	t.Run("when requests are to be written down, and nodes to be packed, it renders what says so as committed", func(t *testing.T) {
		s := scope(1)
		s.APIServer.AuditLog = v1alpha1.AuditLogEnabled
		s.Scheduler.Scoring = &v1alpha1.SchedulerScoring{Strategy: "MostAllocated", Resources: []v1alpha1.ResourceWeight{{Name: "cpu", Weight: 3}, {Name: "example.org/gpu", Weight: 5}}}
		var configs []*unstructured.Unstructured
		for _, part := range []component.Component{apiserver.New(), scheduler.New()} {
			objects, err := part.Render(s)
			if err != nil {
				t.Fatal(err)
			}
			configs = append(configs, slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() != "ConfigMap" })...)
		}
		golden.Objects(t, "settings.yaml", configs)
	})
	t.Run("when the cluster has an address, it renders the add-ons as committed", func(t *testing.T) {
		material := pki.Material{Certificate: []byte("certificate"), Key: []byte("key")}
		objects, err := addons.Render(addons.Data{Scope: scope(3), CA: []byte("ca\n"), Metrics: material})
		if err != nil {
			t.Fatal(err)
		}
		golden.Objects(t, "addons.yaml", objects)
	})
}

// What a tier gives is seen best where it is more than what all come with.
func TestProvisioned(t *testing.T) {
	s := scope(3)
	s.Tier = tier.XL
	var sized []*unstructured.Unstructured
	for _, part := range []component.Component{apiserver.New(), controllermanager.New(), etcd.New(), scheduler.New()} {
		objects, err := part.Render(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if object.GetKind() == "Deployment" || object.GetKind() == "StatefulSet" || object.GetName() == scheduler.Name && object.GetKind() == "ConfigMap" {
				sized = append(sized, object)
			}
		}
	}
	golden.Objects(t, "provisioned.yaml", sized)
}

// What is configured of an add-on is seen best as the difference to how it comes.
func TestConfiguredAddons(t *testing.T) {
	material := pki.Material{Certificate: []byte("certificate"), Key: []byte("key")}
	data := addons.Data{Scope: scope(3), CA: []byte("ca\n"), Metrics: material}
	for _, test := range []struct{ name, addon, configuration, golden string }{
		{"when nothing of CoreDNS is configured, it is as it comes", "coredns", "", "coredns.yaml"},
		{"when all of CoreDNS is configured, its objects say so", "coredns", `{"replicaCount":3,"corefileAdditions":"example.internal:53 {\n    forward . 10.1.0.53\n}","podDisruptionBudget":{"minAvailable":2},
"resources":{"limits":{"memory":"200Mi"},"requests":{"cpu":1}},"tolerations":[{"key":"a","operator":"Exists"}],"nodeSelector":{"disk":"fast"},"podLabels":{"team":"dns"},"podAnnotations":{"note":"x"},
"topologySpreadConstraints":[],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"disk","operator":"Exists"}]}]}}}}`, "coredns-configured.yaml"},
		{"when metrics-server is to have two replicas and a budget, its objects say so", "metrics-server", `{"replicas":2,"podDisruptionBudget":{"enabled":true}}`, "metrics-server-configured.yaml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, _ := addon.Find(test.addon)
			configuration, err := a.Parse(test.configuration)
			if err != nil {
				t.Fatal(err)
			}
			objects, _, err := addons.Configured(data, a, configuration)
			if err != nil {
				t.Fatal(err)
			}
			golden.Objects(t, "addons/"+test.golden, objects)
		})
	}
	t.Run("when an add-on is kept by itself, the others are rendered without it", func(t *testing.T) {
		all, err := addons.Render(data)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := addons.Render(data, "coredns")
		if err != nil {
			t.Fatal(err)
		}
		coredns, _ := addon.Find("coredns")
		own, unwanted, err := addons.Configured(data, coredns, addon.Configuration{})
		if err != nil || len(own) == 0 || len(unwanted) != 0 || len(rest)+len(own) != len(all) {
			t.Errorf("%d of %d are CoreDNS's, %d are left, %d unwanted, %v", len(own), len(all), len(rest), len(unwanted), err)
		}
	})
	t.Run("when a budget is not wanted, it is told of", func(t *testing.T) {
		for name, configuration := range map[string]string{"coredns": `{"podDisruptionBudget":{"enabled":false}}`, "metrics-server": ""} {
			a, _ := addon.Find(name)
			parsed, err := a.Parse(configuration)
			if err != nil {
				t.Fatal(err)
			}
			wanted, unwanted, err := addons.Configured(data, a, parsed)
			if err != nil || len(unwanted) != 1 || unwanted[0].GetKind() != "PodDisruptionBudget" || slices.ContainsFunc(wanted, func(o *unstructured.Unstructured) bool { return o.GetKind() == "PodDisruptionBudget" }) {
				t.Errorf("%s: unwanted %v, %v", name, unwanted, err)
			}
		}
	})
}

func TestEveryPodIsHardened(t *testing.T) {
	for name, part := range components() {
		objects, err := part.Render(scope(3))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			pod, ok, _ := unstructured.NestedMap(object.Object, "spec", "template", "spec")
			if !ok {
				continue
			}
			t.Run("when "+name+" runs, it has no root, no token and no right to more", func(t *testing.T) {
				check(t, pod)
			})
		}
	}
}

func check(t *testing.T, pod map[string]any) {
	t.Helper()
	expect := func(want any, fields ...string) {
		t.Helper()
		if got, _, _ := unstructured.NestedFieldNoCopy(pod, fields...); got != want {
			t.Errorf("%v is %v, want %v", fields, got, want)
		}
	}
	expect(false, "automountServiceAccountToken")
	expect(true, "securityContext", "runAsNonRoot")
	expect("RuntimeDefault", "securityContext", "seccompProfile", "type")
	for _, list := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(pod, list)
		for _, each := range containers {
			container := each.(map[string]any)
			security := container["securityContext"].(map[string]any)
			if security["readOnlyRootFilesystem"] != true || security["allowPrivilegeEscalation"] != false {
				t.Errorf("%s: %v", container["name"], security)
			}
			resources := container["resources"].(map[string]any)
			if keys := slices.Sorted(maps.Keys(resources)); !slices.Equal(keys, []string{"limits", "requests"}) {
				t.Errorf("%s has %v", container["name"], keys)
			}
		}
	}
}
