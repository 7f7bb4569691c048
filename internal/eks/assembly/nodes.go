package assembly

import (
	"net"
	"net/http"

	"naru.dev/naru/internal/eks/podidentity"
	"naru.dev/naru/internal/eks/server"
	"naru.dev/naru/internal/iam/query"
)

// Nodes is the address for nodes and pods of managed clusters.
type Nodes struct {
	Listener net.Listener
	// Names that they call the server by, for its certificate.
	Names []string
}

// nodeLimits are what one node may ask, and all of them together. What they use up is not the users' share.
func nodeLimits() server.Limits { return server.Limits{PerSecond: 20, Burst: 100, AtOnce: 64} }

// nodes is the server for managed clusters: pods' roles by a node's certificate, and STS. There is no EKS API behind it, and no IAM.
// The caller adds what agents of connected clusters need.
func (o Options) nodes(main server.Options, asked query.Options, roles podidentity.Options) (server.Options, error) {
	asked.OnlySTS = true
	sts, err := query.NewHandler(asked)
	if err != nil {
		return server.Options{}, err
	}
	roles.Audit, roles.Log, roles.Now, roles.NewID = main.Audit, main.Log, main.Now, main.NewID
	nodes := main
	nodes.EKS, nodes.JSON, nodes.Streams, nodes.Limits = nil, nil, nil, nodeLimits()
	nodes.Query = map[string]http.Handler{"sts": sts}
	nodes.Unsigned = map[string]http.Handler{"/clusters/": podidentity.New(roles)}
	return nodes, nil
}
