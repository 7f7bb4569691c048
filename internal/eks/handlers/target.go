package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/eks/wire"
	"naru.dev/naru/internal/iam"
)

// Requests are what a caller needs to be allowed to do for an operation: the operation itself, first, and to pass
// the roles that it names. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
//
// What is asked about may not exist: a caller without rights must not learn that.
func (h *Handlers) Requests(ctx context.Context, operation *wire.Operation, input any) ([]iam.Request, error) {
	members, err := membersOf(operation, input)
	if err != nil {
		return nil, err
	}
	request := iam.Request{Action: "eks:" + operation.Name, Context: keys(operation.Name, members)}
	resource, tags, err := h.resource(ctx, operation.Labels(input), members)
	if err != nil {
		return nil, err
	}
	request.Resource = resource
	for key, value := range tags {
		request.Context["aws:ResourceTag/"+key] = []string{value}
	}
	all := []iam.Request{request}
	if config, ok := members["connectorConfig"].(map[string]any); ok {
		members[connectorRole] = config["roleArn"]
	}
	for _, member := range []string{"roleArn", "nodeRole", "serviceAccountRoleArn", "podExecutionRoleArn", connectorRole} {
		if role, ok := members[member].(string); ok && !operation.ReadOnly() {
			service := "eks.amazonaws.com"
			switch {
			case member == "nodeRole":
				service = "ec2.amazonaws.com"
			case member == "podExecutionRoleArn":
				service = fargateService
			case member == connectorRole:
				service = connectorService
			case operation.Name == "CreatePodIdentityAssociation", operation.Name == "UpdatePodIdentityAssociation":
				service = "pods.eks.amazonaws.com"
			}
			all = append(all, iam.Request{Action: "iam:PassRole", Resource: role, Context: map[string][]string{"iam:PassedToService": {service}}})
		}
	}
	return all, nil
}

// connectorRole is roleArn of connectorConfig.
const connectorRole = "connectorConfig.roleArn"

func membersOf(operation *wire.Operation, input any) (map[string]any, error) {
	var members map[string]any
	if err := json.Unmarshal(operation.EncodeMembers(input), &members); err != nil {
		return nil, fmt.Errorf("reading members of %s: %w", operation.Name, err)
	}
	return members, nil
}

// resource is the ARN of what the labels name, and its tags. What does not exist has none; an error means that
// it could not be found out, so that nothing can be decided.
func (h *Handlers) resource(ctx context.Context, labels map[string]string, members map[string]any) (string, map[string]string, error) {
	cluster := labels["clusterName"]
	if cluster == "" {
		cluster = labels["name"]
	}
	if name, ok := members["name"].(string); ok && cluster == "" {
		cluster = name
	}
	if named, ok := members["identityProviderConfig"].(map[string]any); ok {
		return h.providerResource(ctx, cluster, texts(named["name"]))
	}
	part := labels["nodegroupName"] + labels["principalArn"] + labels["associationId"] + labels["addonName"] + labels["fargateProfileName"]
	switch {
	case labels["resourceArn"] != "":
		_, object, err := h.named(ctx, labels["resourceArn"])
		return found(labels["resourceArn"], object, err)
	case cluster == "":
		return h.Site.ClusterARN("*"), nil, nil
	case part == "":
		object, err := h.clusterOf(ctx, cluster)
		return found(h.Site.ClusterARN(cluster), object, err)
	case labels["nodegroupName"] != "":
		object, err := h.Backend.NodeGroup(ctx, cluster, part)
		return found(h.Site.NodegroupARN(cluster, part, uidOf(object, err)), object, err)
	case labels["fargateProfileName"] != "":
		object, err := h.Backend.FargateProfile(ctx, cluster, part)
		return found(h.Site.FargateProfileARN(cluster, part, uidOf(object, err)), object, err)
	case labels["principalArn"] != "":
		object, err := h.Backend.AccessEntry(ctx, cluster, part)
		return found(h.Site.AccessEntryARN(cluster, part, uidOf(object, err)), object, err)
	case labels["associationId"] != "":
		object, err := h.Backend.PodIdentityAssociation(ctx, cluster, part)
		return found(h.Site.AssociationARN(cluster, part), object, err)
	}
	object, err := h.Backend.Cluster(ctx, cluster)
	if err != nil {
		return found(h.Site.AddonARN(cluster, part, anyUID), object, err)
	}
	addon, _ := convert.FindAddon(object, part)
	return h.Site.AddonARN(cluster, part, anyUID), addon.Tags, nil
}

// providerResource is resource for an identity provider config, whose name no label tells.
func (h *Handlers) providerResource(ctx context.Context, cluster string, names []string) (string, map[string]string, error) {
	name := strings.Join(names, "")
	object, err := h.Backend.Cluster(ctx, cluster)
	if err != nil {
		return found(h.Site.IdentityProviderARN(cluster, name, anyUID), object, err)
	}
	if has := h.Site.IdentityProvider(object); has != nil && *has.IdentityProviderConfigName == name {
		return *has.IdentityProviderConfigArn, has.Tags, nil
	}
	return h.Site.IdentityProviderARN(cluster, name, anyUID), nil, nil
}

// anyUID stands in an ARN for the id of what does not exist. Policies that name one end in * as well.
const anyUID = "*"

func uidOf(object metav1.Object, err error) types.UID {
	if err != nil {
		return anyUID
	}
	return object.GetUID()
}

func found(arn string, object metav1.Object, err error) (string, map[string]string, error) {
	var missing *backend.NotFoundError
	var noTags *ekstypes.NotFoundException
	var badARN *ekstypes.BadRequestException
	switch {
	case errors.As(err, &missing), errors.As(err, &noTags), errors.As(err, &badARN), backend.IsConnected(err):
		return arn, nil, nil
	case err != nil:
		return "", nil, err
	}
	return arn, convert.Tags(object), nil
}

// keys are the condition keys of a request: its tags, and those of EKS.
func keys(operation string, members map[string]any) map[string][]string {
	values := map[string][]string{}
	if tags, ok := members["tags"].(map[string]any); ok {
		values["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
		for key, value := range tags {
			values["aws:RequestTag/"+key] = texts(value)
		}
	}
	add := func(key string, value any) {
		if list := texts(value); list != nil {
			values[key] = list
		}
	}
	add("aws:TagKeys", members["tagKeys"])
	add("eks:policyArn", members["policyArn"])
	add("eks:principalArn", members["principalArn"])
	add("eks:kubernetesGroups", members["kubernetesGroups"])
	add("eks:username", members["username"])
	if operation == "CreateAccessEntry" {
		add("eks:accessEntryType", members["type"])
	}
	if scope, ok := members["accessScope"].(map[string]any); ok {
		add("eks:accessScope", scope["type"])
		add("eks:namespaces", scope["namespaces"])
	}
	if config, ok := members["accessConfig"].(map[string]any); ok {
		add("eks:authenticationMode", config["authenticationMode"])
		add("eks:bootstrapClusterCreatorAdminPermissions", config["bootstrapClusterCreatorAdminPermissions"])
	}
	if policy, ok := members["upgradePolicy"].(map[string]any); ok {
		add("eks:supportType", policy["supportType"])
	}
	if oidc, ok := members["oidc"].(map[string]any); ok {
		add("eks:clientId", oidc["clientId"])
		add("eks:issuerUrl", oidc["issuerUrl"])
	}
	return values
}

// texts are the values of a member, each as text; nil where it is absent.
func texts(value any) []string {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		list := []string{}
		for _, element := range value {
			list = append(list, fmt.Sprint(element))
		}
		return list
	}
	return []string{fmt.Sprint(value)}
}
