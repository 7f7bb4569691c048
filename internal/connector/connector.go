// Package connector is the contract between naru server and the agent that connects somebody else's cluster to it, and the
// agent itself. The agent dials, and is asked through the connection that it has opened: the cluster needs no way in.
//
//	cluster's API ◀── agent ──(TLS, both ends known)──▶ naru server ◀── kubectl
//
// The agent is known by its key, which it makes and keeps in its own cluster. It shows an activation code once; from then on
// the key is enough, until the cluster is deregistered.
package connector

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
)

// What the agent asks of naru server, on the port that nodes and pods of managed clusters reach, too.
const (
	// Root begins both paths.
	Root = "/connector/"
	// ActivatePath takes an Activation by POST. The certificate of the connection has the key that is activated.
	ActivatePath = Root + "activate"
	// TunnelPath becomes a tunnel by GET with Upgrade: Protocol.
	TunnelPath = Root + "tunnel"
	// Protocol is HTTP/2, whose client is naru server.
	Protocol = "naru-connector/1"
)

// What naru server asks of the agent, through the tunnel.
const (
	// ObservationPath answers an Observation to GET.
	ObservationPath = "/observation"
	// ClusterPath begins the path of everything that is for the cluster's API. It needs ImpersonateUser.
	ClusterPath = "/cluster"
	// ImpersonateUser is the header that says who a request is made as.
	ImpersonateUser = "Impersonate-User"
)

// Activation is what an agent shows when it comes for the first time.
type Activation struct {
	ID   string `json:"activationId"`
	Code string `json:"activationCode"`
}

// Observation is what the agent sees of its cluster.
type Observation struct {
	// Version of the API server, as v1.37.1.
	Version    string `json:"version"`
	Nodes      int32  `json:"nodes"`
	ReadyNodes int32  `json:"readyNodes"`
}

// Message is how either end says why it refuses.
type Message struct {
	Text string `json:"message"`
}

// RefusedError says that naru server does not let the agent in.
type RefusedError struct{ Message string }

func (e *RefusedError) Error() string { return e.Message }

// KeyID is what an agent is known by: the SHA-256 of the public key of its certificate. That it has the private one was proven
// when the connection was made.
func KeyID(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// CodeHash is what is kept of an activation code.
func CodeHash(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}
