// Package v1alpha1 holds the kinds of the API group naru.dev: what users declare
// (Cluster, NodeGroup, FargateProfile, MachineClass), what Naru derives from it (ClusterRevision, Machine)
// and what can be run (Release, NodeImage).
//
// All of them live in the hosting cluster, except NaruNodeClass, which lives in each
// managed cluster beside Karpenter's NodePools. Cluster, MachineClass, Release and
// NodeImage are cluster-scoped; NodeGroup, FargateProfile, ClusterRevision and Machine live in the
// namespace of their cluster (see Namespace).
//
// +kubebuilder:object:generate=true
// +groupName=naru.dev
package v1alpha1

//go:generate go tool controller-gen object crd paths=. output:crd:dir=../../config/crd
