//go:build oracle

package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oracle is another evaluator, run as a program of its own: it is under the AGPL, so that nothing of it is linked, copied or
// kept. https://github.com/cloud-copilot/iam-simulate
const oracle = "@cloud-copilot/iam-simulate@0.1.173"

// script answers each case of cases.json with Allowed, ExplicitlyDenied or ImplicitlyDenied.
const script = `
import fs from 'node:fs'
import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate'
const answers = []
for (const c of JSON.parse(fs.readFileSync('cases.json', 'utf8'))) {
  try {
    // Of the keys here, this alone has several values.
    const context = Object.fromEntries(Object.entries(c.context).map(([k, v]) => [k, k === 'aws:TagKeys' ? v : v[0]]))
    answers.push(await runUnsafeSimulation({
      request: { principal: c.principal, action: c.action, resource: { resource: c.resource, accountId: '111122223333' }, contextVariables: context },
      identityPolicies: c.identity.map((policy, i) => ({ name: 'p' + i, policy })),
      permissionBoundaryPolicies: c.boundary ? [{ name: 'b', policy: c.boundary }] : undefined,
      serviceControlPolicies: [], resourceControlPolicies: [],
    }, {}))
  } catch (e) { answers.push('error: ' + e.message) }
}
fs.writeFileSync('answers.json', JSON.stringify(answers))
`

type oracleCase struct {
	Principal string              `json:"principal"`
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Context   map[string][]string `json:"context"`
	Identity  []any               `json:"identity"`
	Boundary  any                 `json:"boundary"`
}

// TestOracle compares decisions on random identity policies, boundaries and requests; session policies the oracle leaves
// out. It needs node and npm, and fails without them.
func TestOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	cases := make([]oracleCase, 20000)
	for i := range cases {
		cases[i] = newCase(random)
	}
	answers := ask(t, cases)
	differences, seen := 0, map[string]int{}
	for i, c := range cases {
		got := decide(t, c)
		seen[got]++
		if got != answers[i] {
			if differences++; differences <= 10 {
				text, _ := json.Marshal(c)
				t.Errorf("case %d: %s, the oracle says %s\n%s", i, got, answers[i], text)
			}
		}
	}
	t.Logf("%d cases: %v; %d differ", len(cases), seen, differences)
	for _, result := range []string{"Allowed", "ExplicitlyDenied", "ImplicitlyDenied"} {
		if seen[result] < len(cases)/50 {
			t.Errorf("only %d cases are %s: the comparison says little", seen[result], result)
		}
	}
}

func ask(t *testing.T, cases []oracleCase) []string {
	t.Helper()
	folder := t.TempDir()
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"cases.json": string(text), "ask.mjs": script, "package.json": `{"private":true}`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{{"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", oracle}, {"node", "ask.mjs"}} {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Dir = folder
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	content, err := os.ReadFile(filepath.Join(folder, "answers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	if err := json.Unmarshal(content, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

func decide(t *testing.T, c oracleCase) string {
	t.Helper()
	var policies []Policy
	add := func(kind Kind, document any) {
		var text bytes.Buffer
		if err := json.NewEncoder(&text).Encode(document); err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(kind, text.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, text.String())
		}
		policies = append(policies, Policy{Kind: kind, Document: parsed})
	}
	for _, document := range c.Identity {
		add(Identity, document)
	}
	if c.Boundary != nil {
		add(Boundary, c.Boundary)
	}
	decision := Evaluate(policies, Request{Principal: Principal{ARN: c.Principal, Source: c.Principal, Account: account}, Action: c.Action, Resource: c.Resource, Context: c.Context})
	switch {
	case decision.Allowed:
		return "Allowed"
	case decision.Denied:
		return "ExplicitlyDenied"
	}
	return "ImplicitlyDenied"
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func newCase(r *rand.Rand) oracleCase {
	c := oracleCase{
		Principal: pick(r, devs, alice), Action: pick(r, "eks:DescribeCluster", "eks:DeleteCluster", "eks:TagResource"),
		Resource: pick(r, prod, "arn:aws:eks:eu-west-1:111122223333:cluster/team-red-1"), Context: map[string][]string{},
	}
	known := map[string][]string{
		"aws:SourceIp": {"203.0.113.9", "198.51.100.1"}, "aws:PrincipalTag/team": {"red", "Blue"}, "aws:MultiFactorAuthAge": {"100", "300", "299.5"}, "aws:SecureTransport": {"true", "false"},
		"aws:CurrentTime": {"2026-11-24T12:00:00Z", "2027-01-01T00:00:00Z"}, "aws:PrincipalArn": {dev, alice}, "aws:RequestTag/team": {"red", "green", "r*", ""},
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		// The oracle takes a statement that has a variable without a value for one that never applies. AWS says that negated operators
		// and NotResource do not match what has no value, so that the statement does apply: there always is one here.
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
		if r.IntN(4) > 0 || key == "aws:PrincipalTag/team" {
			c.Context[key] = []string{pick(r, known[key]...)}
		}
	}
	if r.IntN(3) > 0 {
		c.Context["aws:TagKeys"] = pick(r, []string{"team"}, []string{"team", "cost"}, []string{"x", "cost"})
	}
	for range 1 + r.IntN(2) {
		c.Identity = append(c.Identity, newDocument(r))
	}
	if r.IntN(4) == 0 {
		c.Boundary = newDocument(r)
	}
	return c
}

func newDocument(r *rand.Rand) any {
	var statements []any
	for i := range 1 + r.IntN(3) {
		s := map[string]any{"Sid": fmt.Sprintf("s%d", i), "Effect": pick(r, "Allow", "Allow", "Allow", "Deny")}
		s[pick(r, "Action", "Action", "Action", "NotAction")] = pick(r, []string{"*"}, []string{"eks:*"}, []string{"eks:De*Cluster"}, []string{"EKS:describecluster", "ec2:*"}, []string{"eks:???Resource"}, []string{"eks:Describe", "eks:Tag*e"}, []string{"eks:*c*r"})
		s[pick(r, "Resource", "Resource", "Resource", "NotResource")] = pick(r, []string{"*"}, []string{"arn:aws:eks:*:*:cluster/*"}, []string{"arn:aws:eks:*:*:cluster/team-${aws:PrincipalTag/team}-*"},
			[]string{"arn:aws:eks:eu-*:*:cluster/*"}, []string{prod, "arn:aws:s3:::x"},
			[]string{"arn:aws:eks:*:*:cluster/team-???-?"}, []string{"arn:aws:*:*:*:*"}, []string{"arn:aws:eks:*:111122223333:cluster/${*}"})
		if r.IntN(3) > 0 {
			s["Condition"] = newCondition(r)
		}
		if r.IntN(6) == 0 { // a second operator, or another one of the same name
			if both, ok := s["Condition"].(map[string]any); ok {
				maps.Copy(both, newCondition(r).(map[string]any))
			}
		}
		statements = append(statements, s)
	}
	document := map[string]any{"Version": "2012-10-17", "Statement": statements}
	if len(statements) == 1 && r.IntN(2) == 0 {
		document["Statement"] = statements[0]
	}
	return document
}

func newCondition(r *rand.Rand) any {
	type kind struct {
		operators, keys []string
		values          [][]string
	}
	k := pick(r,
		kind{[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"},
			[]string{"aws:PrincipalTag/team", "aws:RequestTag/team"}, [][]string{{"red"}, {"blue", "r*"}, {"${aws:PrincipalTag/team}"}, {"${aws:PrincipalTag/team, 'green'}"}, {"?ed"}, {"*"}, {""}, {"RED", "${aws:principaltag/team}"}}},
		kind{[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
			[]string{"aws:MultiFactorAuthAge"}, [][]string{{"100"}, {"300", "5"}, {"200"}, {"299.5"}}},
		kind{[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
			[]string{"aws:CurrentTime"}, [][]string{{"2026-11-24T12:00:00Z"}, {"2026-12-01T00:00:00Z"}, {"2026-11-24T21:00:00+09:00"}, {"2026-12-01"}}},
		kind{[]string{"Bool"}, []string{"aws:SecureTransport"}, [][]string{{"true"}, {"false"}, {"True"}, {"true", "false"}}},
		kind{[]string{"IpAddress", "NotIpAddress"}, []string{"aws:SourceIp"}, [][]string{{"203.0.113.0/24"}, {"198.51.100.1", "10.0.0.0/8"}, {"2001:db8::/32"}}},
		kind{[]string{"ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"}, []string{"aws:PrincipalArn"}, [][]string{{dev}, {"arn:aws:iam::*:user/*"}, {"arn:aws:iam::111122223333:role/d?v", alice}, {"arn:*:iam::111122223333:*"}, {"arn:aws:iam::111122223333:user/${aws:PrincipalTag/team}"}}},
	)
	operator := pick(r, k.operators...)
	switch r.IntN(8) {
	case 0:
		operator += "IfExists"
	case 1:
		return map[string]any{"Null": map[string]any{pick(r, k.keys...): pick(r, "true", "false")}}
	case 2, 3:
		set := pick(r, "ForAllValues:", "ForAnyValue:")
		return map[string]any{set + pick(r, "StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"): map[string]any{"aws:TagKeys": pick(r, []string{"team"}, []string{"team", "c*"}, []string{"team", "cost"}, []string{"TEAM"}, []string{"*"})}}
	}
	return map[string]any{operator: map[string]any{pick(r, k.keys...): pick(r, k.values...)}}
}
