package bootstrap

import (
	"crypto/x509"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/standalone/layout"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestRenderKubeadm(t *testing.T) {
	spec := layout.Spec{Hosts: 3, Kubernetes: "v1.37.1", Images: map[string]string{
		"etcd": "registry.naru.local/etcd:v3.6.16", "coredns": "registry.naru.local/coredns:v1.14.7"}}
	cases := map[string]struct {
		number int
		join   bool
	}{"init": {1, false}, "join": {2, true}}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := RenderKubeadm(spec, layout.Host{Number: c.number}, c.join)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("when nothing is meant to change, it renders what it did (-want +got; -update rewrites):\n%s", diff)
			}
		})
	}
}

func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for days, want := range map[int]bool{-1: true, 30: true, 89: true, 91: false, 365: false} {
		certificate := &x509.Certificate{NotAfter: now.AddDate(0, 0, days)}
		if got := due(certificate, now); got != want {
			t.Errorf("when a certificate has %d days left, due is %v, want %v", days, got, want)
		}
	}
}

func TestOwnComponent(t *testing.T) {
	names := []string{"etcd", "kube-apiserver"}
	cases := map[string]struct {
		cmdline string
		want    bool
	}{
		"when it is the host's API server, it is": {
			"kube-apiserver\x00--client-ca-file=/etc/kubernetes/pki/ca.crt\x00", true},
		"when it is a tenant's API server, it is not": {
			"/usr/local/bin/kube-apiserver\x00--client-ca-file=/pki/ca.crt\x00", false},
		"when it is another program on those files, it is not": {
			"cat\x00/etc/kubernetes/pki/ca.crt\x00", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ownComponent(c.cmdline, names); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
