package backend

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/config"
)

func catalogue() Catalogue {
	return Catalogue{
		Releases:       []v1alpha1.Release{release("1.37", "1.37.1"), release("1.36", "1.36.4")},
		MachineClasses: []string{"m5.large", "t3.medium"},
		Zones:          []string{"naru-1a", "naru-1b"},
	}
}

func release(name, version string) v1alpha1.Release {
	r := v1alpha1.Release{Spec: v1alpha1.ReleaseSpec{Version: version, Images: map[string]string{"etcd": "x"}}}
	r.Name = name
	return r
}

// requireInvalid wants an InvalidError of a field whose message has the words; no words: no error.
func requireInvalid(t *testing.T, err error, field, words string) {
	t.Helper()
	var invalid *InvalidError
	switch {
	case words == "" && err == nil:
	case words == "":
		t.Errorf("refused: %v", err)
	case !errors.As(err, &invalid):
		t.Errorf("got %v, want %s: …%s…", err, field, words)
	case invalid.Field != field || !strings.Contains(invalid.Message, words):
		t.Errorf("got %v, want %s: …%s…", err, field, words)
	}
}

func TestValidateTier(t *testing.T) {
	for name, c := range map[string]struct {
		tier     string
		replicas int32
		words    string
	}{
		"when there is none, it is accepted":                           {"", 1, ""},
		"when it is standard, it is accepted":                          {"standard", 1, ""},
		"when it is provisioned and replicas are left, it is accepted": {"tier-4xl", 0, ""},
		"when it is provisioned in the small form, it is refused":      {"tier-xl", 1, wordsTier},
		"when there is no such tier, those that there are are named":   {"tier-3xl", 3, "there are standard, tier-xl, tier-2xl, tier-4xl, tier-8xl"},
	} {
		t.Run(name, func(t *testing.T) {
			requireInvalid(t, ValidateTier(v1alpha1.ControlPlaneSpec{Tier: c.tier, Replicas: c.replicas}), tierField, c.words)
		})
	}
}

func TestValidateCluster(t *testing.T) {
	cases := map[string]struct {
		name, version string
		replicas      int32
		pods, service string
		field, words  string
	}{
		"when all is well, it is accepted":               {name: "prod", version: "1.37", replicas: 3},
		"when ranges are given, they are accepted":       {name: "a", version: "1.36", replicas: 1, pods: "172.16.0.0/12", service: "10.0.0.0/24"},
		"when the name has 40 letters, it is accepted":   {name: strings.Repeat("a", 40), version: "1.37"},
		"when the name has 41 letters, it is refused":    {name: strings.Repeat("a", 41), version: "1.37", field: "metadata.name", words: "1 to 40"},
		"when the name is empty, it is refused":          {version: "1.37", field: "metadata.name", words: "1 to 40"},
		"when the name ends with a dash, it is refused":  {name: "a-", version: "1.37", field: "metadata.name", words: "end with"},
		"when the name begins with 1, it is refused":     {name: "1a", version: "1.37", field: "metadata.name", words: "begin with a letter"},
		"when the name is Naru's own, it is refused":     {name: "system", version: "1.37", field: "metadata.name", words: "choose another"},
		"when the version is empty, it is refused":       {name: "a", field: "spec.version", words: "as 1.37"},
		"when the version is not here, it says what is":  {name: "a", version: "1.20", field: "spec.version", words: "there are 1.37 and 1.36. Build it"},
		"when the version can't be, it is refused":       {name: "a", version: "latest", field: "spec.version", words: "as 1.37"},
		"when there would be 2 replicas, it is refused":  {name: "a", version: "1.37", replicas: 2, field: "spec.controlPlane.replicas", words: "small form"},
		"when pods have IPv6, it is refused":             {name: "a", version: "1.37", pods: "fd00::/16", field: "spec.networking.podCIDR", words: "IPv4"},
		"when the pod range is too small, it is refused": {name: "a", version: "1.37", pods: "10.0.0.0/21", field: "spec.networking.podCIDR", words: "/20"},
		"when the pod range is huge, it is refused":      {name: "a", version: "1.37", pods: "0.0.0.0/0", field: "spec.networking.podCIDR", words: "/8"},
		"when the pod range holds the hosting one, it is refused": {name: "a", version: "1.37", pods: "100.0.0.0/8",
			field: "spec.networking.podCIDR", words: "hosting cluster"},
		"when the service range is in the hosting one, it is refused": {name: "a", version: "1.37", service: "100.65.0.0/16",
			field: "spec.networking.serviceCIDR", words: "hosting cluster"},
		"when the service range is too large, it is refused": {name: "a", version: "1.37", service: "10.0.0.0/11",
			field: "spec.networking.serviceCIDR", words: "/12"},
		"when ranges overlap, it is refused": {name: "a", version: "1.37", pods: "10.0.0.0/8", service: "10.96.0.0/16",
			field: "spec.networking", words: "no address in common"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := NewCluster(c.name, c.version, c.replicas, v1alpha1.NetworkingSpec{PodCIDR: c.pods, ServiceCIDR: c.service})
			requireInvalid(t, ValidateCluster(cluster, catalogue()), c.field, c.words)
		})
	}
}

func TestValidateNodeGroup(t *testing.T) {
	cases := map[string]struct {
		change       func(*v1alpha1.NodeGroup)
		field, words string
	}{
		"when all is well, it is accepted":              {change: func(*v1alpha1.NodeGroup) {}},
		"when zones exist, they are accepted":           {change: func(g *v1alpha1.NodeGroup) { g.Spec.Zones = []string{"naru-1b"} }},
		"when the name can't be, it is refused":         {func(g *v1alpha1.NodeGroup) { g.Name = "A" }, "metadata.name", "a node group's name"},
		"when the namespace is no cluster's, it is not": {func(g *v1alpha1.NodeGroup) { g.Namespace = "default" }, "metadata.namespace", "naru-<cluster>"},
		"when it would be Naru's own namespace, it is refused": {func(g *v1alpha1.NodeGroup) { g.Namespace = "naru-system" },
			"metadata.namespace", "no cluster's"},
		"when min is above max, it is refused": {func(g *v1alpha1.NodeGroup) { g.Spec.Scaling.Min = 5 }, "spec.scaling", "lower min or raise max"},
		"when desired is above max, it is refused": {func(g *v1alpha1.NodeGroup) { g.Spec.Scaling.Desired = ptr.To(int32(5)) },
			"spec.scaling", "desired is 5, min 0, max 4"},
		"when min is below 0, it is refused":    {func(g *v1alpha1.NodeGroup) { g.Spec.Scaling.Min = -1 }, "spec.scaling.min", "below 0"},
		"when max is 0, it is refused":          {func(g *v1alpha1.NodeGroup) { g.Spec.Scaling.Max = 0 }, "spec.scaling.max", "between 1 and 1000"},
		"when there is no class, it is refused": {func(g *v1alpha1.NodeGroup) { g.Spec.MachineClasses = nil }, "spec.machineClasses", "at least one"},
		"when a class is unknown, it says which are not": {func(g *v1alpha1.NodeGroup) { g.Spec.MachineClasses = []string{"t3.medium", "x1"} },
			"spec.machineClasses", `no machine class "x1"; there are m5.large and t3.medium`},
		"when a zone is unknown, it says which are not": {func(g *v1alpha1.NodeGroup) { g.Spec.Zones = []string{"mars"} },
			"spec.zones", "there are naru-1a and naru-1b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			group := NewNodeGroup("prod", "web", v1alpha1.NodeGroupSpec{MachineClasses: []string{"t3.medium"}, Scaling: v1alpha1.ScalingSpec{Max: 4}})
			c.change(group)
			requireInvalid(t, ValidateNodeGroup(group, catalogue()), c.field, c.words)
		})
	}
}

func TestResolveVersion(t *testing.T) {
	for asked, want := range map[string]string{"1.37": "1.37", "v1.36": "1.36", "1.36.4": "1.36", "v1.37.1": "1.37", "1.37.9": "1.37.9", "x": "x"} {
		if got := ResolveVersion(asked, catalogue()); got != want {
			t.Errorf("when asked for %q, it resolves %q, want %q", asked, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	// YAML folds long lines and doubles quotes.
	definitions := strings.ReplaceAll(strings.Join(strings.Fields(string(config.HostingCRDs())), " "), "''", "'")
	for _, words := range []string{
		wordsClusterName, wordsSystemName, wordsNodeGroupName, wordsPodCIDR, wordsPodHosting, wordsServiceCIDR, wordsServHosting,
		wordsOverlap, wordsTier, wordsMinMax, wordsDesired,
	} {
		t.Run("when the API server refuses, it uses the same words: "+words, func(t *testing.T) {
			if !strings.Contains(definitions, words) {
				t.Error("no rule of the kinds has these words")
			}
		})
	}
}
