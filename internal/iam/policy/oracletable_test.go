//go:build oracle

package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// tableKind is one kind of value: its operators, a key that has such values, and values of the statement and of the request.
type tableKind struct {
	operators []string
	key       string
	values    []string
	// has are those of the request; empty: the key is missing.
	has []string
}

func tableKinds() []tableKind {
	orders := func(kind string) []string {
		var all []string
		for _, order := range []string{"Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"} {
			all = append(all, kind+order)
		}
		return all
	}
	return []tableKind{
		{[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"}, "aws:RequestTag/team",
			[]string{"red", "r*", "${aws:PrincipalTag/team}", "${aws:principaltag/team}", "${aws:PrincipalTag/nope, 'green'}", "?ed", "r${*}", "*", "RED"}, []string{"red", "Red", "green", "r*", ""}},
		{orders("Numeric"), "aws:MultiFactorAuthAge", []string{"100", "200", "299.5", "1e2"}, []string{"100", "300", "299.5", "many", ""}},
		{orders("Date"), "aws:CurrentTime", []string{"2026-11-24T12:00:00Z", "2026-11-24T21:00:00+09:00", "1795521600", "2026-12-01"}, []string{"2026-11-24T12:00:00Z", "2027-01-01T00:00:00Z", "1795521600", ""}},
		{[]string{"Bool"}, "aws:SecureTransport", []string{"true", "false", "True"}, []string{"true", "false", "True", "perhaps", ""}},
		{[]string{"IpAddress", "NotIpAddress"}, "aws:SourceIp", []string{"203.0.113.0/24", "198.51.100.1", "2001:db8::/32", "0.0.0.0/0", "2001:DB8:0::1"}, []string{"203.0.113.9", "198.51.100.1", "2001:db8::1", "nowhere", ""}},
		{[]string{"ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"}, "aws:PrincipalArn",
			[]string{dev, "arn:aws:iam::*:user/*", "arn:aws:*:*:*", "arn:*:iam::111122223333:*", "*", "arn:aws:iam::111122223333:user/${aws:PrincipalTag/team}"}, []string{dev, alice, "arn:aws:iam::111122223333:user/red", ""}},
	}
}

// disagreement is where this evaluator follows AWS's documentation and the oracle does not, or where AWS says nothing.
type disagreement struct {
	reason string
	is     func(text string) bool
}

func disagreements() []disagreement {
	has := func(parts ...string) func(string) bool {
		return func(text string) bool {
			return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
		}
	}
	const operators = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"
	return []disagreement{
		{"variables are plain text in policies of 2008: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html", func(text string) bool {
			return strings.Contains(text, "2008-10-17") && strings.Contains(text, "${")
		}},
		{"${*} is an asterisk, also where there are no wildcards: the same page", has("${*}")},
		{"seconds since 1970 are dates: " + operators, has("1795521600")},
		{"a range may have no bits, and letters of an address any case: " + operators, has("0.0.0.0/0", "2001:DB8:0::1")},
		{"an address of one family, or what is none, is in no range of the other: " + operators, has(`NotIpAddress`)},
		{"what is missing of an ARN is *: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html", has(`{"aws:PrincipalArn":"arn:aws:*:*:*"}`, `{"aws:PrincipalArn":"*"}`)},
		{"IfExists holds where the key is missing, whatever stands before: " + operators, has("IfExists")},
		{"a number may have an exponent: AWS says nothing of it", has(`"1e2"`)},
		{"what is no number is not equal to one: AWS says nothing of it", has("NumericNotEquals")},
	}
}

// tableCases are all combinations of an operator, a value of the statement and one of the request, each alone.
func tableCases() []oracleCase {
	var cases []oracleCase
	add := func(version, operator, key string, wanted any, has []string) {
		context := map[string][]string{"aws:PrincipalTag/team": {"red"}}
		if len(has) > 0 {
			context[key] = has
		}
		statement := map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{operator: map[string]any{key: wanted}}}
		cases = append(cases, oracleCase{Principal: alice, Action: "eks:DescribeCluster", Resource: prod, Context: context, Identity: []any{map[string]any{"Version": version, "Statement": statement}}})
	}
	for _, version := range []string{"2012-10-17", "2008-10-17"} {
		for _, k := range tableKinds() {
			for _, operator := range k.operators {
				for _, value := range k.values {
					for _, has := range k.has {
						var one []string
						if has != "" {
							one = []string{has}
						}
						add(version, operator, k.key, value, one)
						add(version, operator+"IfExists", k.key, value, one)
					}
				}
			}
		}
		for _, set := range []string{"ForAllValues:", "ForAnyValue:"} {
			for _, operator := range tableKinds()[0].operators {
				for _, values := range [][]string{{"team"}, {"team", "c*"}, {"TEAM"}, {"*"}} {
					for _, has := range [][]string{nil, {"team"}, {"team", "cost"}, {"x", "cost"}} {
						add(version, set+operator, "aws:TagKeys", values, has)
						add(version, set+operator+"IfExists", "aws:TagKeys", values, has)
					}
				}
			}
		}
	}
	return cases
}

// TestOracleTable compares every operator by itself. Each disagreement has a reason, and each reason a disagreement.
func TestOracleTable(t *testing.T) {
	cases := tableCases()
	answers := ask(t, cases)
	used, differ := map[string]int{}, 0
	for i, c := range cases {
		got := decide(t, c)
		if got == answers[i] {
			continue
		}
		differ++
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		all := disagreements()
		at := slices.IndexFunc(all, func(d disagreement) bool { return d.is(string(text)) })
		if at < 0 {
			t.Errorf("%s, the oracle says %s\n%s", got, answers[i], text)
			continue
		}
		used[all[at].reason]++
	}
	for _, d := range disagreements() {
		if used[d.reason] == 0 {
			t.Errorf("the oracle no longer disagrees: %s", d.reason)
		}
	}
	t.Logf("%d cases, %d differ, for reasons: %v", len(cases), differ, used)
}
