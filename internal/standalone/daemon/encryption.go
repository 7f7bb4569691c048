package daemon

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"

	"naru.dev/naru/internal/standalone/layout"
)

// ensureEncryption makes, once, the key that the hosting cluster encrypts
// Secrets with in etcd. Losing it loses every Secret.
func ensureEncryption(state layout.State) error {
	if _, err := os.Stat(state.Encryption()); err == nil {
		return nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("making encryption key: %w", err)
	}
	content := fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: %s
  - identity: {}
`, base64.StdEncoding.EncodeToString(key))
	return layout.WriteFile(state.Encryption(), []byte(content), 0o600)
}
