package backend

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

func TestValidateFargateProfile(t *testing.T) {
	selector := func(namespace string, labels map[string]v1alpha1.LabelPattern) []v1alpha1.FargateProfileSelector {
		return []v1alpha1.FargateProfileSelector{{Namespace: namespace, Labels: labels}}
	}
	for reason, test := range map[string]struct {
		name      string
		selectors []v1alpha1.FargateProfileSelector
		zones     []string
		want      string
	}{
		"when a namespace has wildcards, it can be":            {"web", selector("team-?-*", map[string]v1alpha1.LabelPattern{"a.b/c*": "v?"}), []string{"naru-1a"}, ""},
		"when a name breaks the rules, those are told":         {"Web", selector("a", nil), nil, "lower-case"},
		"when there is no selector, it can't be":               {"web", nil, nil, "1 to 5"},
		"when there are too many selectors, it can't be":       {"web", make([]v1alpha1.FargateProfileSelector, 6), nil, "1 to 5"},
		"when a selector has no namespace, it can't be":        {"web", selector("", nil), nil, "namespace"},
		"when a namespace is an expression, it can't be":       {"web", selector(`a") || ("" == "`, nil), nil, "namespace"},
		"when a label's value is an expression, it can't be":   {"web", selector("a", map[string]v1alpha1.LabelPattern{"k": `"`}), nil, "can't be"},
		"when there are too many labels, it can't be":          {"web", selector("a", map[string]v1alpha1.LabelPattern{"1": "", "2": "", "3": "", "4": "", "5": "", "6": ""}), nil, "at most 5"},
		"when a zone does not exist, those that do exist show": {"web", selector("a", nil), []string{"b"}, "there is naru-1a"},
	} {
		t.Run(reason, func(t *testing.T) {
			err := ValidateFargateProfile(NewFargateProfile("prod", test.name, v1alpha1.FargateProfileSpec{Selectors: test.selectors, Zones: test.zones}), Catalogue{Zones: []string{"naru-1a"}})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAlone(t *testing.T) {
	profile := func(name string, ready int64, deleted bool) v1alpha1.FargateProfile {
		p := NewFargateProfile("prod", name, v1alpha1.FargateProfileSpec{})
		p.Status.ObservedGeneration = ready
		if deleted {
			p.DeletionTimestamp = &metav1.Time{}
		}
		return *p
	}
	one, failed := profile("one", 0, false), profile("two", 0, false)
	conditions.False(&failed, v1alpha1.FargateProfileSynced, v1alpha1.ReasonNotFound, "no zone")
	for reason, test := range map[string]struct {
		others []v1alpha1.FargateProfile
		want   string
	}{
		"when there is no other, it may be":            {[]v1alpha1.FargateProfile{one}, ""},
		"when the others are in force, it may be":      {[]v1alpha1.FargateProfile{one, profile("two", 1, false)}, ""},
		"when another has failed, it may be":           {[]v1alpha1.FargateProfile{failed}, ""},
		"when another is being made, it may not be":    {[]v1alpha1.FargateProfile{profile("two", 0, false)}, "two in status CREATING"},
		"when another is being deleted, it may not be": {[]v1alpha1.FargateProfile{profile("two", 1, true)}, "two in status DELETING"},
	} {
		t.Run(reason, func(t *testing.T) {
			err := alone("create", &one, test.others)
			if (err == nil) != (test.want == "") || err != nil && !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
