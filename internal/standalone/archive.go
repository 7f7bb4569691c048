package standalone

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"naru.dev/naru/internal/release"
	"naru.dev/naru/internal/standalone/layout"
)

// archives groups the images that hosts import, in the order in which a host
// that is born needs them: what kubeadm starts, what `naru up` installs, what
// clusters are made of. Images that only tenants' nodes run are not among
// them; those are pulled from the registry.
func archives() [][]string {
	return [][]string{
		{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "pause"},
		{"coredns", "naru", "registry"},
		{"haproxy", "konnectivity-server", "node"},
	}
}

// archiveName names an archive by what is in it.
func archiveName(built *release.Built, names []string) (string, error) {
	sum := sha256.New()
	for _, name := range names {
		image, err := built.Image(name)
		if err != nil {
			return "", fmt.Errorf("collecting images: %w", err)
		}
		fmt.Fprintln(sum, image.Ref, image.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16] + ".tar", nil
}

func archiveNames(built *release.Built) ([]string, error) {
	var list []string
	for _, names := range archives() {
		name, err := archiveName(built, names)
		if err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, nil
}

// ensureArchives writes the archives that are missing and removes older ones.
func (u *upper) ensureArchives(spec layout.Spec) error {
	dir := u.State.Images()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making images folder: %w", err)
	}
	present, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing images folder: %w", err)
	}
	for _, entry := range present {
		if slices.Contains(spec.Archives, entry.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("removing old images: %w", err)
		}
	}
	missing := slices.ContainsFunc(spec.Archives, func(name string) bool { return !exists(filepath.Join(dir, name)) })
	if !missing {
		return nil
	}
	return u.step("collecting images", func() (string, error) {
		for i, name := range spec.Archives {
			if path := filepath.Join(dir, name); !exists(path) {
				if err := u.writeArchive(path, archives()[i]); err != nil {
					return "", err
				}
			}
		}
		return "", nil
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (u *upper) writeArchive(path string, names []string) error {
	file, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	defer file.Close()
	if err := u.built.Import(file, names...); err != nil {
		return err
	}
	// A name that is there says that the content is: also after a loss of power.
	if err := file.Sync(); err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	return nil
}
