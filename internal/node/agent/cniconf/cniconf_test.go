package cniconf_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/node/agent/cniconf"
)

const want = `{
  "cniVersion": "1.0.0",
  "name": "naru",
  "plugins": [
    {
      "ipMasq": false,
      "ipam": {
        "dataDir": "/run/naru/cni-addresses",
        "ranges": [
          [
            {
              "subnet": "10.244.1.0/24"
            }
          ]
        ],
        "routes": [
          {
            "dst": "0.0.0.0/0"
          }
        ],
        "type": "host-local"
      },
      "mtu": 1450,
      "type": "ptp"
    },
    {
      "backend": "nftables",
      "capabilities": {
        "portMappings": true
      },
      "snat": true,
      "type": "portmap"
    },
    {
      "capabilities": {
        "bandwidth": true
      },
      "type": "bandwidth"
    }
  ]
}
`

func TestRender(t *testing.T) {
	got, err := cniconf.Render(netip.MustParsePrefix("10.244.1.0/24"), 1450)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net.d")
	for _, c := range []struct {
		name, content string
		wrote         bool
	}{
		{"when there is no directory, it makes it and writes", "one", true},
		{"when nothing changed, it does not touch the file", "one", false},
		{"when the content changed, it writes", "two", true},
	} {
		wrote, err := cniconf.Write(dir, []byte(c.content))
		if err != nil || wrote != c.wrote {
			t.Errorf("%s: got %v, %v", c.name, wrote, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, cniconf.File)); err != nil || string(got) != c.content {
			t.Errorf("%s: the file holds %q, %v", c.name, got, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("when all is written, the directory holds %v, %v", entries, err)
	}
}
