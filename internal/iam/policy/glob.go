package policy

import (
	"strings"
	"unicode/utf8"
)

// Wildcards in a glob. No rune of a string is negative.
const (
	anyRun rune = -1
	anyOne rune = -2
)

// glob is a pattern in which * stands for any run of characters, the empty one included, and ? for one character.
type glob []rune

func compileGlob(text string) glob {
	return appendGlob(make(glob, 0, len(text)), text)
}

func appendGlob(g glob, text string) glob {
	for _, r := range text {
		switch r {
		case '*':
			r = anyRun
		case '?':
			r = anyOne
		}
		g = append(g, r)
	}
	return g
}

// match goes through both once; after a mismatch it goes back to the last * only, as what an earlier one takes makes no
// difference. So the time is at most the product of both lengths, whatever the pattern.
func (g glob) match(s string) bool {
	at, i := 0, 0
	star, resume := -1, 0
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case at < len(g) && (g[at] == r || g[at] == anyOne):
			at++
			i += size
		case at < len(g) && g[at] == anyRun:
			star, resume = at, i
			at++
		case star >= 0:
			_, size := utf8.DecodeRuneInString(s[resume:])
			resume += size
			at, i = star+1, resume
		default:
			return false
		}
	}
	for at < len(g) && g[at] == anyRun {
		at++
	}
	return at == len(g)
}

// arnSegments is how many parts an ARN has; colons in the last one are its own.
const arnSegments = 6

// matchARN compares an ARN part by part, so that no wildcard reaches over a colon, but those in the last part. A
// pattern with fewer parts has * for the others. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func (g glob) matchARN(arn string) bool {
	if len(g) == 1 && g[0] == anyRun {
		return true
	}
	if !strings.HasPrefix(arn, "arn:") {
		return false
	}
	for range arnSegments - 1 {
		pattern, morePattern, endless := g.cutColon()
		part, rest, found := strings.Cut(arn, ":")
		if !found {
			return false
		}
		if !pattern.match(part) {
			return false
		}
		if endless {
			return true
		}
		g, arn = morePattern, rest
	}
	return g.match(arn)
}

// cutColon divides a glob at its first colon; last tells that there is none.
func (g glob) cutColon() (before, after glob, last bool) {
	for i, r := range g {
		if r == ':' {
			return g[:i], g[i+1:], false
		}
	}
	return g, nil, true
}

// Like tells whether a text is like a pattern with * and ?, as the operator StringLike compares.
func Like(pattern, text string) bool { return compileGlob(pattern).match(text) }
