package backend

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodConfig = `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: shop, region: eu-west-1, version: "1.37"}
`

func TestReadEksctl(t *testing.T) {
	read := func(t *testing.T, text string) []string {
		t.Helper()
		documents, err := Read("f.yaml", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range documents {
			spec, err := json.Marshal(d.Object.Object["spec"])
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimPrefix(d.Object.GetNamespace()+"/", "/")+d.Object.GetKind()+"/"+d.Object.GetName()+" "+string(spec))
		}
		return got
	}
	cases := map[string]struct {
		text string
		want []string
	}{
		"when it is a cluster alone, it is a Cluster": {goodConfig, []string{`Cluster/shop {"version":"1.37"}`}},
		"when a group says nothing, it has eksctl's own size and class": {goodConfig + "nodeGroups: [{name: ng}]\n", []string{
			`Cluster/shop {"version":"1.37"}`, `naru-shop/NodeGroup/ng {"machineClasses":["m5.large"],"scaling":{"desired":2,"max":2,"min":2}}`}},
		"when a group has bounds only, no number is fixed": {goodConfig + "managedNodeGroups: [{name: ng, minSize: 1, maxSize: 3}]\n", []string{
			`Cluster/shop {"version":"1.37"}`, `naru-shop/NodeGroup/ng {"machineClasses":["m5.large"],"scaling":{"max":3,"min":1}}`}},
		"when a group has a number only, it is the bounds, too": {goodConfig + "managedNodeGroups: [{name: ng, desiredCapacity: 3, instanceType: c}]\n", []string{
			`Cluster/shop {"version":"1.37"}`, `naru-shop/NodeGroup/ng {"machineClasses":["c"],"scaling":{"desired":3,"max":3,"min":3}}`}},
		"when the cluster has zones, groups without any have them": {goodConfig + "availabilityZones: [a, b]\nnodeGroups: [{name: one}, {name: two, availabilityZones: [b]}]\n", []string{
			`Cluster/shop {"version":"1.37"}`,
			`naru-shop/NodeGroup/one {"machineClasses":["m5.large"],"scaling":{"desired":2,"max":2,"min":2},"zones":["a","b"]}`,
			`naru-shop/NodeGroup/two {"machineClasses":["m5.large"],"scaling":{"desired":2,"max":2,"min":2},"zones":["b"]}`}},
		"when there are Fargate profiles, the cluster has them": {goodConfig + "fargateProfiles: [{name: fp, podExecutionRoleARN: r, tags: {a: b}, selectors: [{namespace: web-*}, {namespace: jobs, labels: {x: web}}]}]\n", []string{
			`Cluster/shop {"version":"1.37"}`, `naru-shop/FargateProfile/fp {"podExecutionRoleARN":"r","selectors":[{"namespace":"web-*"},{"labels":{"x":"web"},"namespace":"jobs"}]}`}},
		"when the control plane has a tier, the cluster has it": {goodConfig + "controlPlaneScalingConfig: {tier: tier-xl}\n", []string{
			`Cluster/shop {"controlPlane":{"tier":"tier-xl"},"version":"1.37"}`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("the example", func(t *testing.T) {
		text, err := os.ReadFile("../../examples/eksctl.yaml")
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`Cluster/shop {"networking":{"serviceCIDR":"10.97.0.0/16"},"version":"1.37"}`,
			`naru-shop/NodeGroup/web {"labels":{"tier":"front"},"machineClasses":["t3.medium"],"maxUnavailable":"1","scaling":{"desired":1,"max":3,"min":1}}`,
			`naru-shop/NodeGroup/batch {"machineClasses":["t3.medium","m5.large"],"scaling":{"max":4,"min":0},"taints":[{"effect":"NoSchedule","key":"batch","value":"true"}]}`}
		if diff := cmp.Diff(want, read(t, string(text))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReadEksctlRefuses(t *testing.T) {
	cases := map[string]struct{ text, words string }{
		"when it asks for what is not here": {goodConfig + "vpc: {cidr: 10.0.0.0/16}\n", `unknown field "vpc"`},
		"when a group does":                 {goodConfig + "nodeGroups: [{name: x, spot: true}]\n", `unknown field "spot"`},
		"when it has no name":               {strings.Replace(goodConfig, "name: shop, ", "", 1), "metadata.name is missing"},
		"when it has no version":            {strings.Replace(goodConfig, `, version: "1.37"`, "", 1), "metadata.version is missing"},
		"when it is IPv6":                   {goodConfig + "kubernetesNetworkConfig: {ipFamily: IPv6}\n", "Naru's clusters are IPv4"},
		"when a group has no name":          {goodConfig + "nodeGroups: [{minSize: 1}]\n", "a node group has no name"},
		"when a profile has no name":        {goodConfig + "fargateProfiles: [{selectors: [{namespace: a}]}]\n", "a Fargate profile has no name"},
		"when a profile has subnets":        {goodConfig + "fargateProfiles: [{name: x, subnets: [a]}]\n", `unknown field "subnets"`},
		"when a type is wrong":              {goodConfig + "nodeGroups: [{name: x, minSize: many}]\n", "minSize"},
	}
	for name, c := range cases {
		t.Run(name+", it says so and where", func(t *testing.T) {
			_, err := Read("f.yaml", strings.NewReader(c.text))
			requireInvalid(t, err, "f.yaml, document 1", c.words)
		})
	}
}
