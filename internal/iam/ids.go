package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
)

// Prefixes of unique ids. See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
const (
	UserPrefix            = "AIDA"
	RolePrefix            = "AROA"
	PolicyPrefix          = "ANPA"
	InstanceProfilePrefix = "AIPA"
	AccessKeyPrefix       = "AKIA"
	SessionKeyPrefix      = "ASIA"
)

// NewID returns a random id of 20 characters.
func NewID(prefix string) string {
	content := make([]byte, 10)
	rand.Read(content) // never fails: https://pkg.go.dev/crypto/rand#Read
	return prefix + base32.StdEncoding.EncodeToString(content)
}

// NewSecret returns a random secret of 40 characters.
func NewSecret() string {
	content := make([]byte, 30)
	rand.Read(content) // never fails: https://pkg.go.dev/crypto/rand#Read
	return base64.StdEncoding.EncodeToString(content)
}
