package policy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/${aws:PrincipalTag/team, 'x'}-*"}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":["a:b"],"NotResource":["*"],"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*","${*}"]}}}]}`,
		`{"Statement":{"Effect":"Allow","Principal":{"AWS":["*"],"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Identity, Resource, Trust} {
			document, err := Parse(kind, text)
			if err != nil {
				if document != nil {
					t.Error("an error came with a document")
				}
				continue
			}
			got := Evaluate([]Policy{{Kind: kind, Document: document}}, Request{Principal: user(), Action: "eks:DescribeCluster", Resource: prod,
				Context: map[string][]string{"aws:tagkeys": {"a", "b"}}})
			reasons := 0
			for _, is := range []bool{got.Allowed, got.Denied, len(got.Missing) > 0} {
				if is {
					reasons++
				}
			}
			if reasons != 1 {
				t.Errorf("the decision contradicts itself: %+v", got)
			}
		}
	})
}

// FuzzGlob compares with regular expressions, which are another way to the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("**", "")
	f.Add("?", "나")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 64 || !utf8.ValidString(pattern) || !utf8.ValidString(value) {
			t.Skip("regexp and glob agree on valid text only")
		}
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, ".*"), `\?`, ".")
		if want, got := regexp.MustCompile(`(?s)\A`+quoted+`\z`).MatchString(value), compileGlob(pattern).match(value); got != want {
			t.Errorf("%q and %q: %v, want %v", pattern, value, got, want)
		}
	})
}

func TestGlobDoesNotBlowUp(t *testing.T) {
	began := time.Now()
	if compileGlob(strings.Repeat("*a", 500) + "b").match(strings.Repeat("a", 5000)) {
		t.Error("it matched")
	}
	// Backtracking at every * would take longer than the universe will last.
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// BenchmarkEvaluate has the limit of issue 4: at most 20 µs for ten statements.
func BenchmarkEvaluate(b *testing.B) {
	statements := make([]string, 0, 10)
	for i := range 8 {
		statements = append(statements, fmt.Sprintf(`{'Effect':'Allow','Action':['eks:List*','eks:Create*','ec2:Describe*'],'Resource':['arn:aws:eks:*:*:cluster/team-%d-*'],
			'Condition':{'StringEquals':{'aws:PrincipalTag/team':'red'},'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}}}`, i))
	}
	statements = append(statements,
		`{'Effect':'Deny','NotAction':'eks:*','Resource':'*','Condition':{'Bool':{'aws:SecureTransport':'false'}}}`,
		`{'Effect':'Allow','Action':'eks:Describe*','Resource':'arn:aws:eks:*:${aws:PrincipalAccount}:cluster/*',
			'Condition':{'StringLike':{'aws:PrincipalTag/team':['blue','r*']},'DateLessThan':{'aws:CurrentTime':'2030-01-01T00:00:00Z'}}}`)
	policies := []Policy{parse(b, Identity, statements...)}
	request := Request{Principal: user(), Action: "eks:DescribeCluster", Resource: prod, Context: map[string][]string{
		"aws:PrincipalTag/team": {"red"}, "aws:SourceIp": {"203.0.113.9"}, "aws:SecureTransport": {"true"}, "aws:CurrentTime": {"2026-11-24T12:00:00Z"},
		"aws:PrincipalAccount": {account}, "aws:PrincipalArn": {alice}, "aws:username": {"alice"}, "aws:EpochTime": {"1795521600"},
	}}
	if !Evaluate(policies, request).Allowed {
		b.Fatal("it is not allowed")
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(policies, request)
	}
}
