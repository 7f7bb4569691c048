// Package managed holds the managed policies that come with Naru, under the ARNs and names that AWS has for them: those
// that EKS's users attach. The first versions of AmazonEKSClusterPolicy, AmazonEKSServicePolicy and AmazonEKSWorkerNodePolicy
// are those of the seed document's section 4.3, without the errors of its scan. Everything else allows what AWS's own policies
// did in November 2026 (its AmazonEKSClusterPolicy was v9 then, AmazonEKSServicePolicy v7, AmazonEKSWorkerNodePolicy v3,
// PowerUserAccess v12); the ids of versions here are Naru's own. AWS writes them down in
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
//
// Most of what they allow are services that Naru has not; they are here so that tools that attach them find them.
package managed

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"naru.dev/naru/internal/iam"
)

//go:embed policies/*.json
var files embed.FS

// Administrator is the ARN of the policy that allows everything.
const Administrator = "arn:aws:iam::aws:policy/AdministratorAccess"

// Policy is a managed policy of AWS.
type Policy struct {
	Name, ARN string
	// Versions are the documents, of v1 first. The last one is the default.
	Versions []string
}

// Default is the document that decides, and the id of its version.
func (p Policy) Default() (id, document string) {
	return "v" + strconv.Itoa(len(p.Versions)), p.Versions[len(p.Versions)-1]
}

// Policies returns all of them by ARN.
func Policies() (map[string]Policy, error) {
	names, err := fs.Glob(files, "policies/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing managed policies: %w", err)
	}
	slices.Sort(names) // versions have one digit
	policies := map[string]Policy{}
	for _, file := range names {
		text, err := files.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading managed policy: %w", err)
		}
		name, version, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".json"), ".v")
		arn := iam.PolicyARN("aws", "/", name)
		p := policies[arn]
		p.Name, p.ARN = name, arn
		p.Versions = append(p.Versions, string(text))
		if version != strconv.Itoa(len(p.Versions)) {
			return nil, fmt.Errorf("managed policy %s has a version %s, v%d was expected", name, version, len(p.Versions))
		}
		policies[arn] = p
	}
	return policies, nil
}
