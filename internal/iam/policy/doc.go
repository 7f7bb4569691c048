// Package policy reads AWS's JSON policy documents and decides by them. It is pure: documents and a
// request in, a Decision out; no clock, no network, no storage.
//
// The language is AWS's: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
package policy
