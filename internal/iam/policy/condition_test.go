package policy

import (
	"strings"
	"testing"
)

// conditionCases say whether a condition holds of the request in TestConditions.
var conditionCases = map[string]bool{
	`'StringEquals':{'aws:username':'alice'}`:                           true,
	`'StringEquals':{'AWS:USERNAME':['bob','alice']}`:                   true,
	`'StringEquals':{'aws:username':'Alice'}`:                           false,
	`'StringEquals':{'aws:username':'al*'}`:                             false,
	`'StringEquals':{'missing':'x'}`:                                    false,
	`'StringEqualsIfExists':{'missing':'x'}`:                            true,
	`'StringEqualsIfExists':{'aws:username':'bob'}`:                     false,
	`'StringEquals':{'aws:RequestTag/team':'${aws:PrincipalTag/team}'}`: true,
	`'StringEquals':{'aws:username':'${missing}'}`:                      false,
	`'StringNotEquals':{'aws:username':'${missing}'}`:                   true,
	`'StringNotEquals':{'aws:username':['alice','bob']}`:                false,
	`'StringNotEquals':{'missing':'x'}`:                                 true,
	`'StringEqualsIgnoreCase':{'aws:username':'ALICE'}`:                 true,
	`'StringNotEqualsIgnoreCase':{'aws:username':'ALICE'}`:              false,
	`'StringLike':{'aws:username':['b*','a?ice']}`:                      true,
	`'StringNotLike':{'aws:username':'a*'}`:                             false,
	`'StringEquals':{'aws:username':'alice','aws:SourceIp':'x'}`:        false,
	`'NumericLessThan':{'aws:MultiFactorAuthAge':301}`:                  true,
	`'NumericLessThan':{'aws:MultiFactorAuthAge':'300'}`:                false,
	`'NumericLessThanEquals':{'aws:MultiFactorAuthAge':300.0}`:          true,
	`'NumericGreaterThan':{'aws:MultiFactorAuthAge':'2.99e2'}`:          true,
	`'NumericGreaterThanEquals':{'aws:MultiFactorAuthAge':'301'}`:       false,
	`'NumericEquals':{'aws:MultiFactorAuthAge':'0300'}`:                 true,
	`'NumericNotEquals':{'aws:MultiFactorAuthAge':'300'}`:               false,
	`'NumericEquals':{'words':'1'}`:                                     false,
	`'DateGreaterThan':{'aws:CurrentTime':'2026-11-24T11:59:59Z'}`:      true,
	`'DateLessThan':{'aws:CurrentTime':'2026-11-24T20:00:00+09:00'}`:    false,
	`'DateLessThanEquals':{'aws:CurrentTime':'2026-11-24T21:00+09:00'}`: true,
	`'DateEquals':{'aws:EpochTime':'2026-11-24T12:00:00Z'}`:             true,
	`'DateNotEquals':{'aws:EpochTime':1795521600}`:                      false,
	`'DateGreaterThanEquals':{'aws:CurrentTime':'2027'}`:                false,
	`'Bool':{'aws:SecureTransport':true}`:                               true,
	`'Bool':{'aws:SecureTransport':'FALSE'}`:                            false,
	`'Bool':{'missing':'false'}`:                                        false,
	`'BoolIfExists':{'missing':'false'}`:                                true,
	`'BinaryEquals':{'key':'QmluYXJ5'}`:                                 true,
	`'BinaryEquals':{'key':'AAAA'}`:                                     false,
	`'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}`:                     true,
	`'IpAddress':{'aws:SourceIp':['203.0.113.8','203.0.113.10']}`:       false,
	`'IpAddress':{'ip6':'2001:db8::/32'}`:                               true,
	`'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}`:                  false,
	`'NotIpAddress':{'missing':'203.0.113.0/24'}`:                       true,
	`'ArnEquals':{'aws:PrincipalArn':'arn:aws:iam::*:role/d*'}`:         true,
	`'ArnLike':{'aws:PrincipalArn':'arn:aws:iam:*:role/dev'}`:           false,
	`'ArnNotLike':{'aws:PrincipalArn':'arn:aws:iam::*:role/dev'}`:       false,
	`'ArnNotEquals':{'missing':'arn:aws:iam::*:role/dev'}`:              true,
	`'Null':{'missing':'true'}`:                                         true,
	`'Null':{'empty':true}`:                                             true,
	`'Null':{'aws:username':'true'}`:                                    false,
	`'Null':{'aws:username':'false'}`:                                   true,
	`'ForAllValues:StringEquals':{'aws:TagKeys':['team','cost','x']}`:   true,
	`'ForAllValues:StringEquals':{'aws:TagKeys':['team','x']}`:          false,
	`'ForAllValues:StringEquals':{'missing':'x'}`:                       true,
	`'ForAllValues:StringNotEquals':{'aws:TagKeys':['team','x']}`:       false,
	`'ForAllValues:StringNotLike':{'aws:TagKeys':['x*','y']}`:           true,
	`'ForAnyValue:StringEquals':{'aws:TagKeys':['team','x']}`:           true,
	`'ForAnyValue:StringEquals':{'aws:TagKeys':['y','x']}`:              false,
	`'ForAnyValue:StringNotEquals':{'aws:TagKeys':['team']}`:            true,
	`'ForAnyValue:StringEquals':{'missing':'x'}`:                        false,
	`'ForAnyValue:StringLikeIfExists':{'missing':'x'}`:                  true,
}

func TestConditions(t *testing.T) {
	request := map[string][]string{
		"aws:username": {"alice"}, "aws:SourceIp": {"203.0.113.9"}, "aws:CurrentTime": {"2026-11-24T12:00:00Z"}, "aws:EpochTime": {"1795521600"},
		"aws:MultiFactorAuthAge": {"300"}, "aws:SecureTransport": {"true"}, "aws:PrincipalArn": {dev}, "aws:TagKeys": {"team", "cost"},
		"aws:PrincipalTag/team": {"red"}, "aws:RequestTag/team": {"red"}, "empty": {}, "key": {"QmluYXJ5"}, "ip6": {"2001:db8::7"}, "words": {"many"},
	}
	for condition, want := range conditionCases {
		t.Run(strings.ReplaceAll(condition, "/", "_"), func(t *testing.T) {
			p := parse(t, Identity, `{'Effect':'Allow','Action':'*','Resource':'*','Condition':{`+condition+`}}`)
			if got := Evaluate([]Policy{p}, Request{Principal: user(), Action: "a:b", Resource: "*", Context: request}); got.Allowed != want {
				t.Errorf("holds: %v, want %v", got.Allowed, want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	statement := func(elements string) string { return `{'Version':'2012-10-17','Statement':[{` + elements + `}]}` }
	condition := func(text string) string {
		return statement(`'Effect':'Allow','Action':'*','Resource':'*','Condition':{` + text + `}`)
	}
	for _, test := range []struct {
		name string
		kind Kind
		text string
		want string
	}{
		{"when it is not JSON", Identity, `{`, "it is not valid JSON"},
		{"when something follows", Identity, statement(`'Effect':'Allow','Action':'*','Resource':'*'`) + "{}", "behind the end"},
		{"when it is a list", Identity, `[]`, "a policy is an object, this is a list"},
		{"when it is too long", Identity, `{'Id':'` + strings.Repeat("x", maxBytes) + `'}`, "bytes, at most"},
		{"when it is nested too deep", Identity, strings.Repeat("[", 50), "nested more than"},
		{"when an element is there twice", Identity, `{'Version':'2012-10-17','Version':'2012-10-17'}`, "Version: it is there twice"},
		{"when an element is unknown", Identity, `{'Statements':[]}`, "Statements: there is no such element"},
		{"when the version is unknown", Identity, `{'Version':'2012-10-18'}`, "Version: \"2012-10-18\" is no version"},
		{"when there is no statement", Identity, `{'Version':'2012-10-17'}`, "Statement: it is missing"},
		{"when the list of statements is empty", Identity, `{'Statement':[]}`, "Statement: the list is empty"},
		{"when a statement's element is unknown", Identity, statement(`'Actions':'*'`), "Statement[0].Actions: there is no such element"},
		{"when the effect is unknown", Identity, statement(`'Effect':'allow'`), "Statement[0].Effect: \"allow\" can't be"},
		{"when the effect is missing", Identity, statement(`'Action':'*','Resource':'*'`), "Statement[0].Effect: it is missing"},
		{"when the action has no service", Identity, statement(`'Effect':'Allow','Action':'DescribeCluster','Resource':'*'`), "Statement[0].Action: \"DescribeCluster\" is no action"},
		{"when the action is as the seed's scan has it", Identity, statement(`'Effect':'Allow','Action':'ec2>DeleteRoute','Resource':'*'`), "is no action"},
		{"when Action and NotAction are both there", Identity, statement(`'Effect':'Allow','Action':'*','NotAction':'*','Resource':'*'`), "both Action and NotAction"},
		{"when the resource is no ARN", Identity, statement(`'Effect':'Allow','Action':'*','Resource':'prod'`), "Statement[0].Resource: \"prod\" is no resource"},
		{"when an identity policy has a principal", Identity, statement(`'Effect':'Allow','Action':'*','Resource':'*','Principal':'*'`), "Statement[0].Principal: this kind of policy can't have it"},
		{"when a trust policy has none", Trust, statement(`'Effect':'Allow','Action':'sts:AssumeRole'`), "Statement[0].Principal: it is missing"},
		{"when a trust policy has a resource", Trust, statement(`'Effect':'Allow','Action':'sts:AssumeRole','Principal':'*','Resource':'*'`), "Statement[0].Resource: this kind of policy can't have it"},
		{"when a principal has a wildcard", Trust, statement(`'Effect':'Allow','Action':'sts:AssumeRole','Principal':{'AWS':'arn:aws:iam::111122223333:role/*'}`), "Statement[0].Principal.AWS: "},
		{"when the kind of principal is unknown", Trust, statement(`'Effect':'Allow','Action':'sts:AssumeRole','Principal':{'Aws':'*'}`), "Statement[0].Principal.Aws: there is no such kind"},
		{"when an operator is unknown", Identity, condition(`'StringEqual':{'a':'b'}`), "Statement[0].Condition.StringEqual: there is no such condition operator"},
		{"when an operator's prefix is unknown", Identity, condition(`'ForSome:StringEquals':{'a':'b'}`), "there is no such condition operator"},
		{"when Null has IfExists", Identity, condition(`'NullIfExists':{'a':'true'}`), "there is no such condition operator"},
		{"when a number is none", Identity, condition(`'NumericEquals':{'a':'0x10'}`), "Statement[0].Condition.NumericEquals.a: \"0x10\" is no number"},
		{"when a date is none", Identity, condition(`'DateEquals':{'a':'tomorrow'}`), "is no date"},
		{"when an address is none", Identity, condition(`'IpAddress':{'a':'10.0.0.0/33'}`), "neither an address nor a range"},
		{"when a variable is not closed", Identity, condition(`'StringEquals':{'a':'${b'}`), "without }"},
		{"when a variable is empty", Identity, condition(`'StringEquals':{'a':'${}'}`), "is no variable"},
		{"when a value is an object", Identity, condition(`'StringEquals':{'a':{}}`), "it is an object, where a string"},
		{"when a Sid is there twice", Identity, `{'Statement':[{'Sid':'a','Effect':'Deny','Action':'*','Resource':'*'},{'Sid':'a','Effect':'Deny','Action':'*','Resource':'*'}]}`, "Statement[1].Sid: \"a\" is there twice"},
	} {
		t.Run(test.name+", the error says so", func(t *testing.T) {
			_, err := Parse(test.kind, strings.ReplaceAll(test.text, "'", `"`))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
		})
	}
}
