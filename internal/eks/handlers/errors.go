package handlers

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/internal/backend"
)

// subject is what a request is about; exceptions have members for it. Empty names are left out.
type subject struct{ cluster, nodegroup, addon, profile string }

// exception turns an expected outcome of package backend into what AWS says in its place. Clients match
// on some of the texts: Terraform takes "No cluster found" for gone and tries "in progress" again.
func (s subject) exception(err error) error {
	var missing *backend.NotFoundError
	var invalid *backend.InvalidError
	var refused *backend.RefusedError
	var wait *backend.WaitError
	switch {
	case errors.As(err, &missing):
		return s.notFound(missing)
	case errors.As(err, &invalid):
		return s.invalid("%s: %s", parameter(invalid.Field), invalid.Message)
	case errors.As(err, &refused):
		return s.refused(refused)
	case errors.As(err, &wait):
		return &types.ServiceUnavailableException{Message: aws.String("the cluster is not prepared yet: try again")}
	}
	return err
}

// parameter is what EKS calls a field of a kind.
func parameter(field string) string {
	known := map[string]string{
		"metadata.name": "name", "spec.version": "version", "spec.networking.serviceCIDR": "kubernetesNetworkConfig.serviceIpv4Cidr",
		"spec.networking": "kubernetesNetworkConfig.serviceIpv4Cidr", "spec.machineClasses": "instanceTypes", "spec.scaling": "scalingConfig",
	}
	if name, ok := known[field]; ok {
		return name
	}
	return field
}

func (s subject) notFound(err *backend.NotFoundError) error {
	text := "No " + err.Kind + " found for name: " + err.Name + "."
	switch err.Kind {
	case "connected cluster":
		text = "No cluster found for name: " + err.Name + "."
	case "access entry":
		text = "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."
	case "Fargate profile":
		text = "No Fargate Profile found with name: " + err.Name + "."
	case "pod identity association":
		text = "No pod identity association found for id: " + err.Name + "."
	}
	return &types.ResourceNotFoundException{Message: &text, ClusterName: optional(s.cluster), NodegroupName: optional(s.nodegroup), AddonName: optional(s.addon),
		FargateProfileName: optional(s.profile)}
}

func (s subject) refused(err *backend.RefusedError) error {
	switch {
	case err.Reason == backend.Exists && s.nodegroup != "":
		return s.inUse("NodeGroup already exists with name %s and cluster name %s", s.nodegroup, s.cluster)
	case err.Reason == backend.Exists && s.profile != "":
		return s.inUse("%s", s.profileExists())
	case err.Reason == backend.Busy:
		return s.inUse("%s", err.Message)
	case err.Reason == backend.Full:
		return &types.ResourceLimitExceededException{Message: &err.Message, ClusterName: optional(s.cluster)}
	case err.Reason == backend.Exists:
		return s.taken()
	case err.Reason == backend.BeingDeleted && s.nodegroup != "":
		return s.inUse("Nodegroup %s of cluster %s is DELETING: its deletion is in progress", s.nodegroup, s.cluster)
	case err.Reason == backend.BeingDeleted:
		return s.inUse("Cluster %s is DELETING: its deletion is in progress", s.cluster)
	case err.Reason == backend.Protected:
		return s.request("Cannot delete cluster %s because deletion protection is enabled: set deletionProtection to false first, with UpdateClusterConfig", s.cluster)
	}
	return s.request("%s", err.Message)
}

func (s subject) invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...)),
		ClusterName: optional(s.cluster), NodegroupName: optional(s.nodegroup), AddonName: optional(s.addon), FargateProfileName: optional(s.profile)}
}

func (s subject) inUse(format string, args ...any) error {
	return &types.ResourceInUseException{Message: aws.String(fmt.Sprintf(format, args...)),
		ClusterName: optional(s.cluster), NodegroupName: optional(s.nodegroup), AddonName: optional(s.addon)}
}

func (s subject) request(format string, args ...any) error {
	return &types.InvalidRequestException{Message: aws.String(fmt.Sprintf(format, args...)),
		ClusterName: optional(s.cluster), NodegroupName: optional(s.nodegroup), AddonName: optional(s.addon)}
}

func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

// missing names the first required member that is absent.
func (s subject) missing(members ...member) error {
	for _, m := range members {
		if !m.present {
			return s.invalid("%s is required", m.name)
		}
	}
	return nil
}

type member struct {
	name    string
	present bool
}

// given is a string that must not be empty.
func given(name string, value *string) member { return member{name, aws.ToString(value) != ""} }

// forbidden is a member that this Naru can't do what it says; wanted tells that the request has it.
type forbidden struct {
	wanted bool
	name   string
	why    string
}

// refuse names the first member that can't be. Nothing that has a meaning is accepted without one.
func (s subject) refuse(members []forbidden) error {
	for _, m := range members {
		if m.wanted {
			return s.invalid("%s: %s", m.name, m.why)
		}
	}
	return nil
}
