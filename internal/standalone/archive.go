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

// tenantOnly are images that only tenants' nodes run; those pull them from the registry.
func tenantOnly() []string {
	return []string{"hello", "konnectivity-agent", "metrics-server"}
}

// hostImages are the images that a host imports: its own control plane's, and
// those of tenants' control planes and node pods, so that these start without
// pulling.
func hostImages(built *release.Built) []string {
	var names []string
	for _, image := range built.Images {
		if !slices.Contains(tenantOnly(), image.Name) {
			names = append(names, image.Name)
		}
	}
	return names
}

// archiveName names the archive by what is in it.
func archiveName(built *release.Built) string {
	sum := sha256.New()
	names := hostImages(built)
	for _, image := range built.Images {
		if slices.Contains(names, image.Name) {
			fmt.Fprintln(sum, image.Ref, image.Digest)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16] + ".tar"
}

// ensureArchive writes the archive where it is missing and removes older ones.
func (u *upper) ensureArchive(spec layout.Spec) error {
	path := filepath.Join(u.State.Images(), spec.Archive)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return u.step("collecting images", func() (string, error) { return "", u.writeArchive(path) })
}

func (u *upper) writeArchive(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making images folder: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return fmt.Errorf("listing images folder: %w", err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("removing old images: %w", err)
		}
	}
	file, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	defer file.Close()
	if err := u.built.Import(file, hostImages(u.built)...); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("collecting images: %w", err)
	}
	return os.Rename(path+".part", path)
}
