package managed

import (
	"testing"

	"naru.dev/naru/internal/iam/policy"
)

func TestPolicies(t *testing.T) {
	policies, err := Policies()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AdministratorAccess", "AmazonEKSClusterPolicy", "AmazonEKSServicePolicy", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"} {
		if _, ok := policies["arn:aws:iam::aws:policy/"+name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	for _, p := range policies {
		for i, text := range p.Versions {
			if _, err := policy.Parse(policy.Identity, text); err != nil {
				t.Errorf("%s v%d: %v", p.Name, i+1, err)
			}
			if size := policy.Size(text); size > 6144 {
				t.Errorf("%s v%d has %d characters, more than AWS allows", p.Name, i+1, size)
			}
		}
	}
	for _, name := range []string{"AmazonEKSClusterPolicy", "AmazonEKSServicePolicy", "AmazonEKSWorkerNodePolicy"} {
		if id, _ := policies["arn:aws:iam::aws:policy/"+name].Default(); id != "v2" {
			t.Errorf("when %s has two versions, the later one decides: it is %s", name, id)
		}
	}
}
