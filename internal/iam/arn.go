package iam

import (
	"fmt"
	"regexp"
	"strings"
)

// Partition of every ARN: clients know no other that would fit.
const Partition = "aws"

// accountID is what AWS calls an account id.
var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// ValidAccountID tells whether id has 12 digits.
func ValidAccountID(id string) bool { return accountID.MatchString(id) }

// ARN is a parsed Amazon Resource Name, arn:partition:service:region:account:resource.
type ARN struct{ Partition, Service, Region, Account, Resource string }

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// ParseARN is the inverse of ARN.String. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
func ParseARN(text string) (ARN, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return ARN{}, fmt.Errorf("%q is no ARN: it has the form arn:aws:service:region:account:resource", text)
	}
	return ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}, nil
}

// RootARN is the account itself as a principal.
func RootARN(account string) string { return iamARN(account, "root") }

// UserARN is a user's, with a path that begins and ends with a slash.
func UserARN(account, path, name string) string { return iamARN(account, "user"+path+name) }

// RoleARN is a role's, with a path that begins and ends with a slash.
func RoleARN(account, path, name string) string { return iamARN(account, "role"+path+name) }

// PolicyARN of a customer-managed policy; account "aws" is for those that come with Naru.
func PolicyARN(account, path, name string) string { return iamARN(account, "policy"+path+name) }

// InstanceProfileARN is an instance profile's, with a path that begins and ends with a slash.
func InstanceProfileARN(account, path, name string) string {
	return iamARN(account, "instance-profile"+path+name)
}

// OIDCProviderARN of an issuer's URL, whose scheme is left out.
func OIDCProviderARN(account, issuer string) string {
	return iamARN(account, "oidc-provider/"+strings.TrimPrefix(issuer, "https://"))
}

// AssumedRoleARN is a role's session; the role's path is not in it.
func AssumedRoleARN(account, role, session string) string {
	return ARN{Partition: Partition, Service: "sts", Account: account, Resource: "assumed-role/" + role + "/" + session}.String()
}

func iamARN(account, resource string) string {
	return ARN{Partition: Partition, Service: "iam", Account: account, Resource: resource}.String()
}
