package nodeconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const minimal = `{"name":"n1","podCIDR":"10.244.0.0/16","serviceCIDR":"10.96.0.0/16","clusterDNS":"10.96.0.10","apiServer":"https://100.65.3.4:6443","pauseImage":"registry.naru.local/pause:1"}`

func TestParseDefaults(t *testing.T) {
	got, err := Parse([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Name: "n1", Role: RoleWorker, PodCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16",
		ClusterDNS: "10.96.0.10", ClusterDomain: "cluster.local", Backend: "vxlan",
		APIServer: "https://100.65.3.4:6443", PauseImage: "registry.naru.local/pause:1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("when only the required fields are given, it fills in the rest (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	cases := map[string]struct{ old, new, field string }{
		"when the name is empty, it names the field":            {`"n1"`, `""`, "name:"},
		"when the pod range is no range, it names the field":    {"10.244.0.0/16", "10.244.0.0", "podCIDR:"},
		"when the DNS address is a name, it names the field":    {"10.96.0.10", "dns", "clusterDNS:"},
		"when a worker has no API server, it names the field":   {"https://100.65.3.4:6443", "", "apiServer:"},
		"when the role is unknown, it names the field":          {`"name"`, `"role":"boss","name"`, "role:"},
		"when the capacity has no memory, it names the field":   {`"name"`, `"capacity":{"cpu":1000},"name"`, "capacity:"},
		"when the backend does not exist, it names the field":   {`"name"`, `"backend":"ipip","name"`, "backend:"},
		"when the file is not JSON, it says that it decodes it": {`{"name"`, `{name`, "decoding"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(strings.Replace(minimal, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.field) {
				t.Errorf("got %v, want an error that contains %q", err, c.field)
			}
		})
	}
}
