package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keys of the Secret CA beside those of a certificate. Its certificate is that of every authority that is trusted, the one that
// signs first, and its key is that one's.
const (
	// SigningKey holds the certificate of the authority that signs, alone: controller managers take no other beside it.
	SigningKey = "signing.crt"
	// ChainKey holds a certificate of the authority that signs by the one that signed before, while that one is trusted. Servers
	// show it with their own, so that a client that has only heard of the one before believes them.
	ChainKey = "chain.crt"
	// authoritiesKey holds Authorities.
	authoritiesKey = "authorities.json"
)

// Trust is the name, among hashes of Secrets, of who is trusted, whoever of them signs.
const Trust = "trust"

// Authorities says which generations of the authority CA are trusted, and which of them signs.
type Authorities struct {
	Trusted []int32 `json:"trusted"`
	Signing int32   `json:"signing"`
}

// First is what a cluster is made with.
func First() Authorities { return Authorities{Trusted: []int32{1}, Signing: 1} }

// AuthorityName is the name of the Secret that holds one generation of CA, its key included.
func AuthorityName(generation int32) string { return CA + "-" + strconv.Itoa(int(generation)) }

// AuthorityGeneration is the inverse of AuthorityName; ok is false for other names.
func AuthorityGeneration(name string) (generation int32, ok bool) {
	text, ok := strings.CutPrefix(name, CA+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil && n > 0
}

// Made is when a certificate of this package was made.
func Made(certificate *x509.Certificate) time.Time { return certificate.NotBefore.Add(clockSkew) }

// Authorities reads which are in force; the zero value says that there are none yet. A Secret that says nothing is of a Naru
// that made one authority only.
func (s Secrets) Authorities() Authorities {
	var now Authorities
	if len(s[CA][CertificateKey]) == 0 {
		return now
	}
	if err := json.Unmarshal(s[CA][authoritiesKey], &now); err != nil || len(now.Trusted) == 0 {
		return First()
	}
	return now
}

// Step is what may be done next on the way from what is in force to what is wanted: trusting another one at any time, signing
// with another one only when everything follows what is in force, and ceasing to trust one only when everything follows, and
// nothing is signed by it. Nothing in force: a new cluster begins with what is wanted.
func (a Authorities) Step(wanted Authorities, followed bool) Authorities {
	trusted := slices.Concat(a.Trusted, wanted.Trusted)
	slices.Sort(trusted)
	next := Authorities{Trusted: slices.Compact(trusted), Signing: a.Signing}
	switch {
	case a.Signing == 0:
		next.Signing = wanted.Signing
	case !followed || len(next.Trusted) > len(a.Trusted):
	case a.Signing != wanted.Signing:
		next.Signing = wanted.Signing
	default:
		next.Trusted = slices.Sorted(slices.Values(wanted.Trusted))
	}
	return next
}

// Equal tells whether both trust the same and sign with the same.
func (a Authorities) Equal(b Authorities) bool {
	return a.Signing == b.Signing && slices.Equal(slices.Sorted(slices.Values(a.Trusted)), slices.Sorted(slices.Values(b.Trusted)))
}

// authoritySteps makes the generations that are missing, and what follows from them.
func (l Layout) authoritySteps(have Secrets) []Step {
	var steps []Step
	for _, generation := range l.Trusted.Trusted {
		if len(have.Material(AuthorityName(generation)).Certificate) == 0 {
			maker := l.authority(generation)
			steps = append(steps, Step{Name: AuthorityName(generation), Why: "it does not exist", Permanent: true, TLS: true, make: maker})
		}
	}
	derive := Step{Name: CA, Why: "what is trusted, or what signs, has changed", TLS: true, make: l.derive}
	if len(steps) > 0 {
		return append(steps, derive)
	}
	// What can't be derived is an error of Make, which says why.
	if data, err := l.derive(have, time.Time{}); err != nil || !sameData(data, have[CA]) {
		return append(steps, derive)
	}
	return nil
}

// authority makes a generation. One that signs, of a Naru that knew no generations, is kept as it is.
func (l Layout) authority(generation int32) func(Secrets, time.Time) (map[string][]byte, error) {
	return func(have Secrets, now time.Time) (map[string][]byte, error) {
		before := have.Material(CA)
		if have.Authorities().Signing == generation {
			return tlsData(Material{Certificate: first(before.Certificate), Key: before.Key}, nil)
		}
		name := "naru:" + l.Cluster
		if generation > 1 {
			name += ":" + strconv.Itoa(int(generation))
		}
		made, err := NewCA(name, now)
		if err != nil || len(before.Certificate) == 0 {
			return tlsData(made, err)
		}
		chain, err := crossSign(before, made)
		if err != nil {
			return nil, err
		}
		return map[string][]byte{CertificateKey: made.Certificate, PrivateKey: made.Key, ChainKey: chain}, nil
	}
}

// derive is the content of the Secret CA.
func (l Layout) derive(have Secrets, _ time.Time) (map[string][]byte, error) {
	signing := have[AuthorityName(l.Trusted.Signing)]
	trusted := slices.Clone(signing[CertificateKey])
	data := map[string][]byte{PrivateKey: signing[PrivateKey], SigningKey: signing[CertificateKey]}
	for _, generation := range slices.Sorted(slices.Values(l.Trusted.Trusted)) {
		other := have[AuthorityName(generation)][CertificateKey]
		if generation == l.Trusted.Signing {
			continue
		}
		trusted = append(trusted, other...)
		if signedBy(signing[ChainKey], other) {
			data[ChainKey] = signing[ChainKey]
		}
	}
	data[CertificateKey] = trusted
	encoded, err := json.Marshal(l.Trusted)
	if err != nil {
		return nil, fmt.Errorf("noting which authorities are trusted: %w", err)
	}
	data[authoritiesKey] = encoded
	if _, err := parsePair(Material{Certificate: trusted, Key: data[PrivateKey]}); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", AuthorityName(l.Trusted.Signing), err)
	}
	return data, nil
}

// crossSign certifies one authority by another: same name, same key. It ends with the first of the two.
func crossSign(by, authority Material) ([]byte, error) {
	parent, err := parsePair(by)
	if err != nil {
		return nil, fmt.Errorf("reading the authority that signs: %w", err)
	}
	own, err := Parse(authority.Certificate)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("generating a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: own.Subject, NotBefore: own.NotBefore, NotAfter: own.NotAfter, KeyUsage: own.KeyUsage,
		IsCA: true, BasicConstraintsValid: true, SubjectKeyId: own.SubjectKeyId,
	}
	if template.NotAfter.After(parent.certificate.NotAfter) {
		template.NotAfter = parent.certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, own.PublicKey, parent.key)
	if err != nil {
		return nil, fmt.Errorf("certifying %s by %s: %w", own.Subject.CommonName, parent.certificate.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func signedBy(certificate, authority []byte) bool {
	own, err := Parse(certificate)
	if err != nil {
		return false
	}
	parent, err := Parse(authority)
	return err == nil && own.CheckSignatureFrom(parent) == nil
}

// first is the first certificate of a PEM file, as PEM.
func first(data []byte) []byte {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	return pem.EncodeToMemory(block)
}

// Sorted puts the certificates of a PEM file into an order that does not depend on which of them signs.
func Sorted(data []byte) []byte {
	var all []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, string(pem.EncodeToMemory(block)))
	}
	slices.Sort(all)
	return []byte(strings.Join(all, ""))
}

// chainOf is what a server of this certificate shows with it.
func (c Certificate) chainOf(have Secrets) []byte {
	if c.Authority != CA || c.Leaf.Usage&Server == 0 {
		return nil
	}
	return have[CA][ChainKey]
}

// differs tells whether a certificate is shown with something else than it is to be.
func (c Certificate) differs(have Secrets) bool {
	shown := have.Material(c.Name).Certificate
	return !bytes.Equal(bytes.TrimPrefix(shown, first(shown)), c.chainOf(have))
}

func sameData(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for key, content := range a {
		if !bytes.Equal(content, b[key]) {
			return false
		}
	}
	return true
}
