package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Renewal says why a certificate has to be made anew; empty: it does not.
type Renewal string

// DecideLeaf says whether current still serves: it is there, signed by ca, says what leaf
// asks for, less than two thirds of its life are over, and it was not made before asked, a time at which somebody wants
// it renewed (zero: nobody does; one to come is waited for). next is when to ask again; it is zero when a renewal is due.
func DecideLeaf(current, ca Material, leaf Leaf, now, asked time.Time) (why Renewal, next time.Time) {
	if len(current.Certificate) == 0 || len(current.Key) == 0 {
		return "it does not exist", time.Time{}
	}
	own, err := parsePair(current)
	if err != nil {
		return Renewal(err.Error()), time.Time{}
	}
	authority, err := Parse(ca.Certificate)
	if err != nil {
		return Renewal(fmt.Sprintf("its authority is unreadable: %v", err)), time.Time{}
	}
	if err := own.certificate.CheckSignatureFrom(authority); err != nil {
		return "another authority signed it", time.Time{}
	}
	if why := differs(own.certificate, leaf); why != "" {
		return why, time.Time{}
	}
	due := renewAt(own.certificate, authority)
	if !now.Before(due) {
		return "two thirds of its life are over", time.Time{}
	}
	if own.certificate.NotBefore.Add(clockSkew).Before(asked.Truncate(time.Second)) { // certificates know whole seconds
		if !now.Before(asked) {
			return "its renewal was asked for", time.Time{}
		}
		if asked.Before(due) {
			due = asked
		}
	}
	return "", due
}

// renewAt is when two thirds of a certificate's life are over. A certificate that ends with its authority
// can't be prolonged, and is kept.
func renewAt(certificate, authority *x509.Certificate) time.Time {
	if !certificate.NotAfter.Before(authority.NotAfter) {
		return certificate.NotAfter
	}
	life := certificate.NotAfter.Sub(certificate.NotBefore)
	return certificate.NotBefore.Add(life * 2 / 3)
}

func differs(certificate *x509.Certificate, leaf Leaf) Renewal {
	switch {
	case certificate.Subject.CommonName != leaf.CommonName,
		!sameSet(certificate.Subject.Organization, leaf.Organization):
		return "its subject has changed"
	case !sameSet(certificate.DNSNames, leaf.DNSNames):
		return "its names have changed"
	case !sameSet(texts(certificate.IPAddresses), texts(leaf.IPs)):
		return "its addresses have changed"
	case slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageClientAuth) != (leaf.Usage&Client != 0),
		slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageServerAuth) != (leaf.Usage&Server != 0):
		return "its usage has changed"
	}
	return ""
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func texts[T fmt.Stringer](values []T) []string {
	out := make([]string, 0, len(values))
	for _, value := range values {
		out = append(out, value.String())
	}
	return out
}
