package bootstrap

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// renewBefore is how long before their end certificates are renewed. kubeadm's
// live a year.
const renewBefore = 90 * 24 * time.Hour

// due tells whether a certificate has to be renewed at a time.
func due(certificate *x509.Certificate, now time.Time) bool {
	return now.Add(renewBefore).After(certificate.NotAfter)
}

// renewCertificates renews the host's certificates when they near their end,
// then ends what holds the old ones; the kubelet starts it again.
func renewCertificates(ctx context.Context) error {
	certificate, err := readCertificate(filepath.Join(kubernetes, "pki", "apiserver.crt"))
	if err != nil {
		return err
	}
	if !due(certificate, time.Now()) {
		return nil
	}
	if err := run(ctx, "kubeadm", "certs", "renew", "all", "--config", KubeadmConfig); err != nil {
		return fmt.Errorf("renewing certificates: %w", err)
	}
	for _, u := range users() {
		if err := os.Remove(u.file); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("renewing the kubeconfig of %s: %w", u.name, err)
		}
	}
	return endProcesses("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
}

func readCertificate(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("reading certificate: %s holds no PEM block", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", path, err)
	}
	return certificate, nil
}

// endProcesses asks the static pods of the hosting control plane to end. Only
// theirs hold the host's own PKI folder in their arguments; tenants' control
// planes run the same programs.
func endProcesses(names ...string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil || !ownComponent(string(line), names) {
			continue
		}
		if err := unix.Kill(pid, unix.SIGTERM); err != nil && err != unix.ESRCH {
			return fmt.Errorf("ending process %d: %w", pid, err)
		}
	}
	return nil
}

// ownComponent tells whether a /proc/<pid>/cmdline is one of the named programs
// running on the files of /etc/kubernetes.
func ownComponent(cmdline string, names []string) bool {
	program, arguments, _ := strings.Cut(cmdline, "\x00")
	for _, name := range names {
		if filepath.Base(program) == name && strings.Contains(arguments, kubernetes+"/") {
			return true
		}
	}
	return false
}
