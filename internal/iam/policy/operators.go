package policy

import (
	"bytes"
	"encoding/base64"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operatorFamilies are all condition operators of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func operatorFamilies() map[string]family {
	families := map[string]family{
		"Bool": {compile: compileBool}, "BinaryEquals": {compile: compileBinary}, "Null": {compile: compileBool, null: true},
		"IpAddress": {compile: compileAddress}, "NotIpAddress": {compile: compileAddress, negated: true},
		"StringEquals": {compile: compileEqual}, "StringNotEquals": {compile: compileEqual, negated: true},
		"StringEqualsIgnoreCase": {compile: compileFold}, "StringNotEqualsIgnoreCase": {compile: compileFold, negated: true},
		"StringLike": {compile: compileLike}, "StringNotLike": {compile: compileLike, negated: true},
		"ArnEquals": {compile: compileARN}, "ArnNotEquals": {compile: compileARN, negated: true},
		"ArnLike": {compile: compileARN}, "ArnNotLike": {compile: compileARN, negated: true},
	}
	for name, holds := range orders() {
		negated := name == "NotEquals"
		families["Numeric"+name] = family{compile: compileNumber(holds), negated: negated}
		families["Date"+name] = family{compile: compileDate(holds), negated: negated}
	}
	return families
}

// orders are the comparisons of numbers and dates: what must be true of the sign of value minus wanted.
func orders() map[string]func(int) bool {
	equal := func(sign int) bool { return sign == 0 }
	return map[string]func(int) bool{
		"Equals": equal, "NotEquals": equal,
		"LessThan":          func(sign int) bool { return sign < 0 },
		"LessThanEquals":    func(sign int) bool { return sign <= 0 },
		"GreaterThan":       func(sign int) bool { return sign > 0 },
		"GreaterThanEquals": func(sign int) bool { return sign >= 0 },
	}
}

func compileEqual(path, wanted string, variables bool) (matcher, error) {
	t, err := parseTemplate(path, wanted, variables)
	return func(value string, env *environment) bool {
		text, ok := t.expand(env)
		return ok && text == value
	}, err
}

func compileFold(path, wanted string, variables bool) (matcher, error) {
	t, err := parseTemplate(path, wanted, variables)
	return func(value string, env *environment) bool {
		text, ok := t.expand(env)
		return ok && strings.EqualFold(text, value)
	}, err
}

func compileLike(path, wanted string, variables bool) (matcher, error) {
	t, err := parseTemplate(path, wanted, variables)
	return func(value string, env *environment) bool {
		pattern, ok := t.glob(env)
		return ok && pattern.match(value)
	}, err
}

func compileARN(path, wanted string, variables bool) (matcher, error) {
	t, err := parseTemplate(path, wanted, variables)
	if err == nil && wanted != "*" && t.fixed && !strings.HasPrefix(wanted, "arn:") {
		return nil, errorf(path, "%q is no ARN: write one, as arn:aws:iam::*:role/dev, or *", wanted)
	}
	return func(value string, env *environment) bool {
		pattern, ok := t.glob(env)
		return ok && strings.HasPrefix(value, "arn:") && pattern.matchARN(value)
	}, err
}

func compileBool(path, wanted string, _ bool) (matcher, error) {
	wanted = strings.ToLower(wanted)
	if wanted != "true" && wanted != "false" {
		return nil, errorf(path, "%q can't be: write true or false", wanted)
	}
	return func(value string, _ *environment) bool { return strings.ToLower(value) == wanted }, nil
}

func compileBinary(path, wanted string, _ bool) (matcher, error) {
	content, err := base64.StdEncoding.DecodeString(wanted)
	if err != nil {
		return nil, errorf(path, "%q is not base64", wanted)
	}
	return func(value string, _ *environment) bool {
		got, err := base64.StdEncoding.DecodeString(value)
		return err == nil && bytes.Equal(got, content)
	}, nil
}

func compileAddress(path, wanted string, _ bool) (matcher, error) {
	network, err := netip.ParsePrefix(wanted)
	if err != nil {
		address, err := netip.ParseAddr(wanted)
		if err != nil || address.Zone() != "" {
			return nil, errorf(path, "%q is neither an address nor a range, as 203.0.113.0/24", wanted)
		}
		network = netip.PrefixFrom(address, address.BitLen())
	}
	return func(value string, _ *environment) bool {
		address, err := netip.ParseAddr(value)
		return err == nil && network.Contains(address.Unmap().WithZone(""))
	}, nil
}

func compileNumber(holds func(sign int) bool) func(string, string, bool) (matcher, error) {
	return func(path, wanted string, _ bool) (matcher, error) {
		number, ok := parseNumber(wanted)
		if !ok {
			return nil, errorf(path, "%q is no number", wanted)
		}
		return func(value string, _ *environment) bool {
			got, ok := parseNumber(value)
			return ok && holds(compareNumbers(got, number))
		}, nil
	}
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// parseNumber reads a decimal number; what else Go takes for one (hexadecimal, infinity) is none here.
func parseNumber(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789+-.eE") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// dateLayouts are the forms of https://www.w3.org/TR/NOTE-datetime. Seconds may have a fraction.
func dateLayouts() []string {
	return []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}
}

// parseDate reads a date in the forms above, or seconds since 1970. Four digits are a year.
func parseDate(text string) (time.Time, bool) {
	for _, layout := range dateLayouts() {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	if seconds, ok := parseNumber(text); ok && math.Abs(seconds) < 1e12 {
		whole, fraction := math.Modf(seconds)
		return time.Unix(int64(whole), int64(fraction*1e9)), true
	}
	return time.Time{}, false
}

func compileDate(holds func(sign int) bool) func(string, string, bool) (matcher, error) {
	return func(path, wanted string, _ bool) (matcher, error) {
		date, ok := parseDate(wanted)
		if !ok {
			return nil, errorf(path, "%q is no date: write it as 2026-11-24T12:00:00Z, or in seconds since 1970", wanted)
		}
		return func(value string, _ *environment) bool {
			got, ok := parseDate(value)
			return ok && holds(got.Compare(date))
		}, nil
	}
}
