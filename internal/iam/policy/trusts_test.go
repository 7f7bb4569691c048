package policy

import "testing"

func TestTrusts(t *testing.T) {
	const pods = "pods.eks.amazonaws.com"
	for _, test := range []struct {
		name, text string
		want       bool
	}{
		{"when it is named, it is trusted", `{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}`, true},
		{"when there is a condition, it may be trusted", `{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"web"}}}`, true},
		{"when another service is named, it is not", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, false},
		{"when it is about another action, it is not", `{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:TagSession"}`, false},
		{"when it is denied only, it is not", `{"Effect":"Deny","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			document, err := Parse(Trust, `{"Version":"2012-10-17","Statement":[`+test.text+`]}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := document.Trusts(Principal{Service: pods}, "sts:AssumeRole"); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
