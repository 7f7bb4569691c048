package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"naru.dev/naru/internal/standalone/layout"
)

// adminConf is what kubeadm writes, with an authority.
func adminConf(t *testing.T, authority string) []byte {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["naru"] = &clientcmdapi.Cluster{
		Server: fmt.Sprintf("https://%s:%d", layout.APIName, layout.APIPort), CertificateAuthorityData: []byte(authority),
	}
	config.Contexts["admin@naru"] = &clientcmdapi.Context{Cluster: "naru"}
	config.CurrentContext = "admin@naru"
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWriteKubeconfig(t *testing.T) {
	whole := adminConf(t, "first")
	steps := []struct {
		name  string
		admin []byte
		want  string
	}{
		{"when kubeadm has written half of it, there is none", whole[:len(whole)/2], ""},
		{"when it is there, its authority is trusted", whole, "first"},
		{"when an interrupted kubeadm had left it, that of the next one counts", adminConf(t, "second"), "second"},
	}
	d := &Daemon{state: layout.State(t.TempDir())}
	source := filepath.Join(d.state.Host(first().Name()).Kubernetes(), "admin.conf")
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			if err := os.WriteFile(source, step.admin, 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := d.writeKubeconfig()
			if err != nil {
				t.Fatal(err)
			}
			if step.want == "" {
				if config != nil {
					t.Errorf("config = %v", config)
				}
				return
			}
			written, err := clientcmd.BuildConfigFromFlags("", d.state.HostingKubeconfig())
			if err != nil {
				t.Fatal(err)
			}
			if string(config.CAData) != step.want || string(written.CAData) != step.want {
				t.Errorf("authority: returned %q, written %q", config.CAData, written.CAData)
			}
		})
	}
}
