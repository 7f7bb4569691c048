package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/node/nodeconfig"
)

func TestEffectiveCapabilities(t *testing.T) {
	cases := map[string]struct {
		status string
		lowers bool
		fails  bool
	}{
		"when CAP_SYS_RESOURCE is there, it says so":     {status: "Name:\tx\nCapEff:\t000001ffffffffff\n", lowers: true},
		"when CAP_SYS_RESOURCE is lacking, it says so":   {status: "CapEff:\t000001fffeffffff\n"},
		"when there is no such line, it is an error":     {status: "Name:\tx\n", fails: true},
		"when the line is no number, it is an error too": {status: "CapEff:\tall\n", fails: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			caps, err := effectiveCapabilities(c.status)
			if (err != nil) != c.fails {
				t.Fatalf("got error %v", err)
			}
			if got := caps&(1<<capSysResource) != 0; got != c.lowers {
				t.Errorf("got %v, want %v", got, c.lowers)
			}
		})
	}
}

func TestCgroupMounts(t *testing.T) {
	cases := map[string]struct {
		content string
		want    []cgroupMount
	}{
		"when there is only v2, it is mounted on the root itself": {
			content: "0::/\n",
			want:    []cgroupMount{{fstype: "cgroup2"}},
		},
		"when v1 and v2 are mixed, each hierarchy has its folder": {
			content: "9:name=systemd:/\n8:pids:/\n4:memory:/x\n0::/\n",
			want: []cgroupMount{
				{fstype: "cgroup", dir: "systemd", data: "none,name=systemd"},
				{fstype: "cgroup", dir: "pids", data: "pids"},
				{fstype: "cgroup", dir: "memory", data: "memory"},
				{fstype: "cgroup2", dir: "unified"},
			},
		},
		"when controllers share a hierarchy, each has a link": {
			content: "3:cpu,cpuacct:/\n",
			want:    []cgroupMount{{fstype: "cgroup", dir: "cpu,cpuacct", data: "cpu,cpuacct", links: []string{"cpu", "cpuacct"}}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := cgroupMounts(parseHierarchies(c.content))
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(cgroupMount{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCapacityFiles(t *testing.T) {
	files := capacityFiles(nodeconfig.Capacity{CPU: 1500, Memory: 2 << 30})
	want := map[string]string{
		"cpu/online": "0-1\n",
	}
	for path, content := range want {
		if files[path] != content {
			t.Errorf("when a core and a half is promised, %s says %q, want %q", path, files[path], content)
		}
	}
	for folder, wanted := range map[string]bool{"cpu/cpu0/": true, "cpu/cpu1/": true, "cpu/cpu2/": false} {
		if _, there := files[folder]; there != wanted {
			t.Errorf("when a core and a half is promised, there are two processors: %s is there: %v", folder, there)
		}
	}
	if got, want := files["meminfo"][:len("MemTotal:       2097152 kB")], "MemTotal:       2097152 kB"; got != want {
		t.Errorf("when 2 GiB are promised, meminfo begins with %q, want %q", got, want)
	}
}
