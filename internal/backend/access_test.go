package backend

import (
	"errors"
	"strings"
	"testing"

	"naru.dev/naru/api/v1alpha1"
)

func entry(change ...func(*v1alpha1.AccessEntrySpec)) *v1alpha1.AccessEntry {
	e := &v1alpha1.AccessEntry{}
	e.Namespace = v1alpha1.Namespace("prod")
	e.Spec = v1alpha1.AccessEntrySpec{PrincipalARN: "arn:aws:iam::111122223333:role/dev", Type: StandardEntry, Username: "arn:aws:sts::111122223333:assumed-role/dev/{{SessionName}}"}
	for _, f := range change {
		f(&e.Spec)
	}
	return e
}

func username(name string) func(*v1alpha1.AccessEntrySpec) {
	return func(s *v1alpha1.AccessEntrySpec) { s.Username = name }
}

func groups(names ...string) func(*v1alpha1.AccessEntrySpec) {
	return func(s *v1alpha1.AccessEntrySpec) { s.KubernetesGroups = names }
}

func TestValidateAccessEntry(t *testing.T) {
	machine := func(s *v1alpha1.AccessEntrySpec) {
		s.Type, s.Username = "EC2_LINUX", "system:node:{{EC2PrivateDNSName}}"
	}
	for _, test := range []struct {
		reason string
		entry  *v1alpha1.AccessEntry
		field  string
	}{
		{"when it is as EKS makes it, it can be", entry(), ""},
		{"when it is a machine's, its name is a node's", entry(machine), ""},
		{"when a session's name follows a colon, nobody can take another's name", entry(username("ops:{{SessionName}}")), ""},
		{"when the account stands before it, it can be", entry(username("{{AccountID}}:{{SessionName}}")), ""},
		{"when a session chooses the whole name, it is refused", entry(username("{{SessionName}}")), "username"},
		{"when a second session name stands there, it is looked at, too", entry(username("{{AccountID}}-{{SessionName}}")), "username"},
		{"when braces hold something else, it is refused", entry(username("a:{{Colour}}")), "username"},
		{"when braces are not closed, it is refused", entry(username("a:{{SessionName")), "username"},
		{"when the name is Kubernetes' own, it is refused", entry(username("system:admin")), "username"},
		{"when a group is somebody's own, it can be", entry(groups("viewers")), ""},
		{"when a group has all rights by itself, it is refused", entry(groups("viewers", "system:masters")), "kubernetesGroups"},
		{"when a group is Naru's own, it is refused", entry(groups("naru:etcd-peer")), "kubernetesGroups"},
		{"when a machine has groups, it is refused", entry(machine, groups("viewers")), "type"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			err := ValidateAccessEntry(test.entry)
			var invalid *InvalidError
			if test.field == "" && err != nil || test.field != "" && (!errors.As(err, &invalid) || invalid.Field != test.field) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAccessEntries(t *testing.T) {
	b, _ := world(t, prod(), namespace("prod"))
	if err := b.CreateAccessEntry(t.Context(), entry()); err != nil {
		t.Fatal(err)
	}
	requireRefused(t, b.CreateAccessEntry(t.Context(), entry(username("other"))), "already")
	_, err := b.ChangeAccessEntry(t.Context(), "prod", entry().Spec.PrincipalARN, func(e *v1alpha1.AccessEntry) error {
		e.Spec.KubernetesGroups = []string{"system:masters"}
		return nil
	})
	requireInvalid(t, err, "kubernetesGroups", "invalid")
	if read, err := b.AccessEntry(t.Context(), "prod", entry().Spec.PrincipalARN); err != nil || len(read.Spec.KubernetesGroups) > 0 {
		t.Errorf("when a change is refused, nothing changes: %v, %v", read.Spec.KubernetesGroups, err)
	}
	var missing *NotFoundError
	if err := b.DeleteAccessEntry(t.Context(), "prod", "arn:aws:iam::111122223333:role/none"); !errors.As(err, &missing) || missing.Kind != "access entry" {
		t.Errorf("when there is none, it says so: %v", err)
	}
	if _, err := b.AccessEntries(t.Context(), "none"); !errors.As(err, &missing) || missing.Kind != "cluster" {
		t.Errorf("when there is no cluster, it says that: %v", err)
	}
}

func TestValidatePodIdentityAssociation(t *testing.T) {
	for _, test := range []struct {
		reason, policy string
		noTags, good   bool
	}{
		{"when there is no policy, it can be", "", false, true},
		{"when there is one and no tags, it can be", `{"Version":"2012-10-17"}`, true, true},
		{"when there is one beside tags, both do not fit", `{"Version":"2012-10-17"}`, false, false},
		{"when it is no JSON, it is refused", "allow", true, false},
		{"when it is too long, it is refused", `"` + strings.Repeat("a", maxSessionPolicy) + `"`, true, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			a := &v1alpha1.PodIdentityAssociation{}
			a.Spec.Policy, a.Spec.DisableSessionTags = test.policy, test.noTags
			if err := ValidatePodIdentityAssociation(a); (err == nil) != test.good {
				t.Errorf("got %v", err)
			}
		})
	}
}
