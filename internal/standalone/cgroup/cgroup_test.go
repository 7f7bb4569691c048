package cgroup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMounts(t *testing.T) {
	cases := map[string]struct {
		mounts string
		want   []Hierarchy
	}{
		"when the machine is hybrid, every hierarchy is found": {
			mounts: "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n" +
				"cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n" +
				"cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n" +
				"cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n",
			want: []Hierarchy{
				{Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
				{Mount: "/sys/fs/cgroup/systemd", Controllers: []string{"name=systemd"}},
				{Mount: "/sys/fs/cgroup/unified", V2: true},
			},
		},
		"when one is mounted twice at one place, it counts once": {
			mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
			want:   []Hierarchy{{Mount: "/sys/fs/cgroup", V2: true}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, parseMounts(c.mounts)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
