package token

import (
	"fmt"
	"slices"
	"strings"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

// Entry is an access entry: what a principal is in a cluster. See
// https://docs.aws.amazon.com/eks/latest/userguide/access-entries.html
type Entry struct {
	// Principal is the ARN of a user or role.
	Principal string
	// Type is one of the Type… constants.
	Type string
	// Username may hold {{SessionName}} and {{EC2PrivateDNSName}}; empty: the type's own.
	Username string
	// Groups of the user. Types other than STANDARD have their own beside them.
	Groups []string
	// Policies that the principal has.
	Policies []Association
}

// Association gives an entry the rights of an access policy.
type Association struct {
	// Policy by name, as AmazonEKSViewPolicy.
	Policy string
	// Namespaces where it holds; * stands for any characters. Empty: the whole cluster.
	Namespaces []string
}

// The types of access entries whose users Naru knows.
const (
	Standard     = "STANDARD"
	EC2Linux     = "EC2_LINUX"
	EC2Windows   = "EC2_WINDOWS"
	EC2          = "EC2"
	FargateLinux = "FARGATE_LINUX"
	HybridLinux  = "HYBRID_LINUX"
)

// User is who a caller is in a cluster.
type User struct {
	Name, UID string
	Groups    []string
	Extra     map[string][]string
}

// Keys of User.Extra, as aws-iam-authenticator names them.
const (
	extraARN         = "arn"
	extraCanonical   = "canonicalArn"
	extraSession     = "sessionName"
	extraAccessKey   = "accessKeyId"
	extraPrincipal   = "principalId"
	extraAuditedKey  = "sigs.k8s.io/aws-iam-authenticator/principalId"
	uidPrefix        = "aws-iam-authenticator:"
	sessionName      = "{{SessionName}}"
	sessionNameRaw   = "{{SessionNameRaw}}"
	accountIDPattern = "{{AccountID}}"
	nodeName         = "{{EC2PrivateDNSName}}"
)

// UserOf is the user that an entry makes of a caller.
func UserOf(entry Entry, caller iam.Caller) User {
	session := ""
	if caller.Session != nil {
		session = caller.Session.Name
	}
	principalID, _, _ := strings.Cut(caller.UserID, ":")
	name := strings.NewReplacer(
		// As aws-iam-authenticator does: an @ would look like a mail address in a user's name.
		sessionName, strings.ReplaceAll(session, "@", "-"),
		sessionNameRaw, session,
		// A machine's session is named as its node is.
		nodeName, strings.ToLower(session),
		accountIDPattern, caller.AccountID,
	).Replace(usernameOf(entry))
	return User{
		Name: name, UID: uidPrefix + caller.AccountID + ":" + principalID, Groups: groupsOf(entry),
		Extra: map[string][]string{
			extraARN: {caller.ARN}, extraCanonical: {caller.Principal}, extraSession: {session}, extraAccessKey: {caller.AccessKeyID},
			extraPrincipal: {principalID}, extraAuditedKey: {principalID},
		},
	}
}

// usernameOf is the entry's own, or its type's.
func usernameOf(entry Entry) string {
	switch {
	case entry.Username != "":
		return entry.Username
	case entry.Type == EC2Linux, entry.Type == EC2Windows, entry.Type == EC2:
		return "system:node:" + nodeName
	case entry.Type != Standard:
		return "system:node:" + sessionName
	}
	arn, err := iam.ParseARN(entry.Principal)
	if err != nil {
		return entry.Principal
	}
	role, isRole := strings.CutPrefix(arn.Resource, "role/")
	if !isRole {
		return entry.Principal
	}
	return iam.AssumedRoleARN(arn.Account, role[strings.LastIndexByte(role, '/')+1:], sessionName)
}

// groupsOf are the groups of the entry and of its type.
func groupsOf(entry Entry) []string {
	nodes := []string{"system:bootstrappers", "system:nodes"}
	groups := slices.Clone(entry.Groups)
	switch entry.Type {
	case EC2Linux, HybridLinux, EC2:
		groups = append(groups, nodes...)
	case EC2Windows:
		groups = append(append(groups, nodes...), "eks:kube-proxy-windows")
	case FargateLinux:
		groups = append(append(groups, nodes...), "system:node-proxier")
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// unfit says why an entry is not to be believed; empty where it is. Who writes entries is held to the same rules, but whoever
// could get around those would be anybody in the cluster. Entries of machines are kept for AWS's tools: Naru's machines
// join with certificates, and who may assume a machine's role could choose any node's name for the session.
func unfit(entry Entry) string {
	if entry.Type != Standard {
		return fmt.Sprintf("it is of type %s, and machines join with certificates here", entry.Type)
	}
	for _, name := range append([]string{entry.Username}, entry.Groups...) {
		for _, prefix := range v1alpha1.ReservedPrefixes() {
			if strings.HasPrefix(strings.ToLower(name), prefix) {
				return fmt.Sprintf("%q begins with %s, which is reserved", name, prefix)
			}
		}
	}
	return ""
}
