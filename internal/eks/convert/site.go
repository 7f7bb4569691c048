// Package convert turns Naru's kinds into the shapes of the EKS API and back. It is pure: values in,
// values out. What EKS has and Naru has not, as VPCs and subnets, gets an identifier that never changes.
package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Site is what ARNs of this Naru have in common.
type Site struct {
	// Account has 12 digits.
	Account string
	// Region is shaped as AWS's are, as ap-northeast-2 or naru-kr-1.
	Region string
}

func (s Site) arn(resource string) string {
	return "arn:aws:eks:" + s.Region + ":" + s.Account + ":" + resource
}

// ClusterARN names a cluster.
func (s Site) ClusterARN(name string) string { return s.arn("cluster/" + name) }

// NodegroupARN names a node group; one that is made anew under the same name has another.
func (s Site) NodegroupARN(cluster, name string, uid types.UID) string {
	return s.arn("nodegroup/" + cluster + "/" + name + "/" + string(uid))
}

// FargateProfileARN names a Fargate profile; one that is made anew under the same name has another.
func (s Site) FargateProfileARN(cluster, name string, uid types.UID) string {
	return s.arn("fargateprofile/" + cluster + "/" + name + "/" + string(uid))
}

// AddonARN names an add-on of a cluster.
func (s Site) AddonARN(cluster, name string, uid types.UID) string {
	return s.arn("addon/" + cluster + "/" + name + "/" + string(uid))
}

// AccessEntryARN names an access entry. The principal's path is left out.
func (s Site) AccessEntryARN(cluster, principal string, uid types.UID) string {
	kind, name := "role", principal
	if parts := strings.SplitN(principal, ":", 6); len(parts) == 6 {
		kind, name, _ = strings.Cut(parts[5], "/")
	}
	if i := strings.LastIndex(name, "/"); i >= 0 {
		name = name[i+1:]
	}
	return s.arn("access-entry/" + cluster + "/" + kind + "/" + s.Account + "/" + name + "/" + string(uid))
}

// AssociationARN names a pod identity association by its id.
func (s Site) AssociationARN(cluster, id string) string {
	return s.arn("podidentityassociation/" + cluster + "/" + id)
}

// VPC is the id of the network of all clusters of this Naru: there is one.
func (s Site) VPC() string { return fake("vpc", s.Account, s.Region) }

// Subnet is the id of a zone's part of the network.
func (s Site) Subnet(zone string) string { return fake("subnet", s.Account, s.Region, zone) }

// SecurityGroup is the id of what separates a cluster from the others.
func SecurityGroup(cluster types.UID) string { return fake("sg", string(cluster)) }

// fake is an EC2 id: 17 hexadecimal digits that follow from the parts.
func fake(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return kind + "-0" + hex.EncodeToString(sum[:8])
}

const accessPolicies = "arn:aws:eks::aws:cluster-access-policy/"

// AccessPolicyARN names an access policy.
func AccessPolicyARN(name string) string { return accessPolicies + name }

// AccessPolicyName is the inverse of AccessPolicyARN; ok is false for any other ARN.
func AccessPolicyName(arn string) (name string, ok bool) {
	name, ok = strings.CutPrefix(arn, accessPolicies)
	return name, ok && name != ""
}

// Resource is what an ARN of this Naru names.
type Resource struct {
	// Kind as in the ARN, as nodegroup.
	Kind string
	// Cluster that it is, or is part of, and its own parts after that.
	Cluster string
	Parts   []string
}

// ParseARN reads an ARN of EKS. ok is false for one of another account, region or service, and for what is none.
func (s Site) ParseARN(arn string) (r Resource, ok bool) {
	resource, ok := strings.CutPrefix(arn, s.arn(""))
	parts := strings.Split(resource, "/")
	if !ok || len(parts) < 2 {
		return Resource{}, false
	}
	return Resource{Kind: parts[0], Cluster: parts[1], Parts: parts[2:]}, true
}
