package layout

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// MaxHosts bounds --hosts: etcd gains nothing from more than this on one machine.
const MaxHosts = 3

// Spec is the platform that a daemon runs: written by `naru up`, read by the
// daemon whenever it starts.
type Spec struct {
	Hosts int `json:"hosts"`
	// Kubernetes is the hosting cluster's version, v1.37.1.
	Kubernetes string `json:"kubernetes"`
	// Rootfs are the lower folders of a host's root, topmost first.
	Rootfs []string `json:"rootfs"`
	// Images maps short names to references.
	Images map[string]string `json:"images"`
	// Archives hold the images that a host imports, in this order; the first is
	// what kubeadm needs. A name changes with the content.
	Archives []string `json:"archives"`
}

// ReadSpec reads what `up` wrote last.
func (s State) ReadSpec() (Spec, error) {
	data, err := os.ReadFile(s.Spec())
	if err != nil {
		return Spec{}, fmt.Errorf("reading platform: %w", err)
	}
	var spec Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return Spec{}, fmt.Errorf("decoding %s: %w", s.Spec(), err)
	}
	return spec, nil
}

// WriteSpec replaces what the daemon reads.
func (s State) WriteSpec(spec Spec) error {
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding platform: %w", err)
	}
	return WriteFile(s.Spec(), append(data, '\n'), 0o644)
}

// WriteFile replaces a file in one step: a reader, or a machine that loses
// power, sees the old content or the new.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making folder of %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(data); err != nil {
		file.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.Chmod(mode); err != nil {
		file.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.Sync(); err != nil {
		file.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
