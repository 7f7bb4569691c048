package podidentity

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"naru.dev/naru/internal/podroles"
)

// nodeOf is the node that a connection's client certificate is of, if the cluster's authority signed it as a kubelet's. That its
// owner has the key was proven when the connection was made.
func nodeOf(state *tls.ConnectionState, authority []byte, now time.Time) (node string, ok bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", false
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return "", false
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return "", false
	}
	node, ok = strings.CutPrefix(leaf.Subject.CommonName, podroles.NodeUserPrefix)
	return node, ok && node != "" && slices.Contains(leaf.Subject.Organization, podroles.NodeGroup)
}
