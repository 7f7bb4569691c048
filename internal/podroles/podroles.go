// Package podroles is the contract between what gives pods IAM roles: the policies in a cluster that tell a pod where
// to ask, the agent on its node that asks for it, and naru server, which answers. Names are AWS's, so that its SDKs find
// them: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
package podroles

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	// Audience of the tokens that pods show for Pod Identity.
	Audience = "pods.eks.amazonaws.com"
	// Service is who a role has to trust to be had by pods.
	Service = "pods.eks.amazonaws.com"
	// DefaultRegion is what Naru calls the place where it is.
	DefaultRegion = "naru-kr-1"

	// AgentAddress is the link-local address that every node has for its own pods: AWS's SDKs send tokens in the clear to
	// this one and to loopback only.
	AgentAddress = "169.254.170.23"
	// AgentPort and CredentialsPath are where the agent answers there.
	AgentPort       = 80
	CredentialsPath = "/v1/credentials"

	// ServerPort is the port of naru server that nodes of managed clusters may reach.
	ServerPort = 443
	// ServerSecret in naru-system holds the certificate of that port; ServerCAKey in it is what nodes and pods trust.
	ServerSecret = "naru-pod-roles-tls"
	ServerCAKey  = "ca.crt"

	// ReviewerSecret, in a cluster's namespace, holds the kubeconfig of a user who may have tokens reviewed, and nothing else.
	ReviewerSecret = "kubeconfig-token-reviewer"
	// ReviewerUser is that user.
	ReviewerUser = "naru:token-reviewer"

	// NodeUserPrefix and NodeGroup are what a kubelet's client certificate says of it.
	NodeUserPrefix = "system:node:"
	NodeGroup      = "system:nodes"

	// IssuerPath begins the path of every cluster's issuer.
	IssuerPath = "/id/"
)

// The ConfigMap in each cluster that says where the agents ask.
const (
	ConfigNamespace = "kube-system"
	ConfigName      = "naru-pod-roles"
	// ConfigCluster is the cluster's name, ConfigServer the URL of naru server, ConfigCA what signed its certificate.
	ConfigCluster = "cluster"
	ConfigServer  = "server"
	ConfigCA      = "ca.crt"
)

// AssociationsName is the ConfigMap beside it whose keys say which service accounts have a role; see AssociationKey.
const AssociationsName = "naru-pod-identities"

// AssociationKey of a service account. Neither a namespace nor a name has an underscore.
func AssociationKey(namespace, serviceAccount string) string { return namespace + "_" + serviceAccount }

// IssuerID is a cluster's in its issuer's URL. It follows from the cluster's UID: who makes a cluster of the same name
// later is another issuer.
func IssuerID(uid string) string {
	sum := sha256.Sum256([]byte(uid))
	return strings.ToUpper(hex.EncodeToString(sum[:16]))
}

// AssumePath is the path of AssumeRoleForPodIdentity, as the service eks-auth has it.
func AssumePath(cluster string) string {
	return "/clusters/" + cluster + "/assume-role-for-pod-identity"
}

// Request is the input of AssumeRoleForPodIdentity:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
type Request struct {
	Token string `json:"token"`
}

// Answer is its output.
type Answer struct {
	Subject                Subject         `json:"subject"`
	Audience               string          `json:"audience"`
	PodIdentityAssociation Association     `json:"podIdentityAssociation"`
	AssumedRoleUser        AssumedRoleUser `json:"assumedRoleUser"`
	Credentials            Credentials     `json:"credentials"`
}

// Subject is whose token it was.
type Subject struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// Association is what gave the service account its role.
type Association struct {
	ARN string `json:"associationArn"`
	ID  string `json:"associationId"`
}

// AssumedRoleUser is the session.
type AssumedRoleUser struct {
	ARN string `json:"arn"`
	ID  string `json:"assumeRoleId"`
}

// Credentials are the session's.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	// Expiration in seconds since 1970.
	Expiration float64 `json:"expiration"`
}

// Expires is when the credentials end.
func (c Credentials) Expires() time.Time { return time.Unix(int64(c.Expiration), 0).UTC() }

// Error is how AssumeRoleForPodIdentity refuses.
type Error struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}
