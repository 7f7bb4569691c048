package pki

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"
)

// Secrets is the content of a cluster's Secrets by name and key.
type Secrets map[string]map[string][]byte

// Material of a certificate Secret; empty where there is none.
func (s Secrets) Material(name string) Material {
	return Material{Certificate: s[name][CertificateKey], Key: s[name][PrivateKey]}
}

// Step is one Secret to be written.
type Step struct {
	Name string
	Why  Renewal
	// Permanent Secrets are only ever made, never replaced: everything else depends on them.
	Permanent bool
	// TLS says that the Secret is a certificate and its key.
	TLS bool

	make func(Secrets, time.Time) (map[string][]byte, error)
}

// Make returns the Secret's new content. have must hold what the steps before it have made.
func (s Step) Make(have Secrets, now time.Time) (map[string][]byte, error) {
	data, err := s.make(have, now)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", s.Name, err)
	}
	return data, nil
}

// Plan says which Secrets are missing, wrong or near their end, in the order in which to make them, and when to
// ask again when nothing changes.
func (l Layout) Plan(have Secrets, now time.Time) (steps []Step, next time.Time) {
	next = now.Add(CALifetime)
	for _, authority := range l.Authorities {
		if len(have.Material(authority.Name).Certificate) == 0 {
			steps = append(steps, Step{Name: authority.Name, Why: "it does not exist", Permanent: true, TLS: true, make: authority.make})
		}
	}
	steps = append(steps, l.authoritySteps(have)...)
	for name, make := range map[string]func(Secrets, time.Time) (map[string][]byte, error){
		ServiceAccount: makeServiceAccount, Encryption: makeEncryption,
	} {
		if len(have[name]) == 0 {
			steps = append(steps, Step{Name: name, Why: "it does not exist", Permanent: true, make: make})
		}
	}
	for _, certificate := range l.Certificates {
		why, due := DecideLeaf(have.Material(certificate.Name), have.Material(certificate.Authority), certificate.Leaf, now, l.Asked)
		if why == "" && certificate.differs(have) {
			why = "what certifies its authority has changed"
		}
		if why != "" {
			steps = append(steps, Step{Name: certificate.Name, Why: why, TLS: true, make: certificate.make})
		} else if due.Before(next) {
			next = due
		}
	}
	for _, kubeconfig := range l.Kubeconfigs {
		why, due := kubeconfig.decide(have, now, l.Asked)
		if why != "" {
			maker := l.maker(kubeconfig)
			steps = append(steps, Step{Name: kubeconfig.Name, Why: why, make: maker})
		} else if due.Before(next) {
			next = due
		}
	}
	return steps, next
}

func (a Authority) make(_ Secrets, now time.Time) (map[string][]byte, error) {
	return tlsData(NewCA(a.CommonName, now))
}

func (c Certificate) make(have Secrets, now time.Time) (map[string][]byte, error) {
	issued, err := Issue(have.Material(c.Authority), c.Leaf, now)
	issued.Certificate = append(issued.Certificate, c.chainOf(have)...)
	return tlsData(issued, err)
}

func tlsData(m Material, err error) (map[string][]byte, error) {
	if err != nil {
		return nil, err
	}
	return map[string][]byte{CertificateKey: m.Certificate, PrivateKey: m.Key}, nil
}

func makeServiceAccount(Secrets, time.Time) (map[string][]byte, error) {
	private, public, err := NewSigningKey()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{PrivateKey: private, PublicKey: public}, nil
}

// makeEncryption encrypts Secrets with a key of the cluster's own. identity is last, so that nothing is
// written in the clear.
func makeEncryption(Secrets, time.Time) (map[string][]byte, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	config := `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - name: key1
              secret: ` + base64.StdEncoding.EncodeToString(key) + `
      - identity: {}
`
	return map[string][]byte{EncryptionKey: []byte(config)}, nil
}

func (k KubeconfigSpec) decide(have Secrets, now, asked time.Time) (Renewal, time.Time) {
	server, ca, identity := Identity(have[k.Name][KubeconfigKey])
	why, due := DecideLeaf(identity, have.Material(CA), k.Leaf, now, asked)
	switch {
	case why != "":
		return why, time.Time{}
	case server != k.Server:
		return "its server has changed", time.Time{}
	case !bytes.Equal(ca, have.Material(CA).Certificate):
		return "its authority has changed", time.Time{}
	}
	return "", due
}

func (l Layout) maker(k KubeconfigSpec) func(Secrets, time.Time) (map[string][]byte, error) {
	return func(have Secrets, now time.Time) (map[string][]byte, error) {
		ca := have.Material(CA)
		identity, err := Issue(ca, k.Leaf, now)
		if err != nil {
			return nil, err
		}
		data, err := Kubeconfig(l.Cluster, k.Server, ca.Certificate, identity)
		if err != nil {
			return nil, err
		}
		return map[string][]byte{KubeconfigKey: data}, nil
	}
}
