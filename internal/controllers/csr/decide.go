package csr

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"

	"naru.dev/naru/api/v1alpha1"
)

// Verdict on a signing request.
type Verdict string

const (
	// Approve it.
	Approve Verdict = "Approve"
	// Deny it: it asks for more than its requester is.
	Deny Verdict = "Deny"
	// Wait: what it asks for may turn out to be true.
	Wait Verdict = "Wait"
	// Ignore: it is decided already, or another's to decide.
	Ignore Verdict = "Ignore"
)

const (
	nodePrefix = "system:node:"
	nodesGroup = "system:nodes"
	// addressPatience is how long a request may name another address than the machine is known to have: the address of
	// a machine changes when its host restarts, and its kubelet knows before the machine's status does.
	addressPatience = time.Minute
)

// Decision is a verdict and why.
type Decision struct {
	Verdict Verdict
	Message string
}

// NodeOf is the name of the node that sent a request, or empty.
func NodeOf(request *certificatesv1.CertificateSigningRequest) string {
	name, ok := strings.CutPrefix(request.Spec.Username, nodePrefix)
	if !ok {
		return ""
	}
	return name
}

// Decide judges a kubelet's request for a serving certificate. machine is the one that is named as the requesting node,
// nil where there is none. It is pure.
func Decide(request *certificatesv1.CertificateSigningRequest, machine *v1alpha1.Machine, now time.Time) Decision {
	if request.Spec.SignerName != certificatesv1.KubeletServingSignerName || len(request.Status.Certificate) > 0 || decided(request) {
		return Decision{Verdict: Ignore}
	}
	node := NodeOf(request)
	switch {
	case node == "" || !slices.Contains(request.Spec.Groups, nodesGroup):
		return deny("%s is no node", request.Spec.Username)
	case machine == nil || machine.Name != node:
		return deny("there is no machine %s", node)
	case !machine.DeletionTimestamp.IsZero():
		return deny("machine %s is being deleted", node)
	}
	template, err := parse(request.Spec.Request)
	if err != nil {
		return deny("the request can't be read: %v", err)
	}
	if refused := checkSubject(template, request.Spec); refused != "" {
		return deny("%s", refused)
	}
	return checkNames(template, machine, now.Sub(request.CreationTimestamp.Time))
}

func decided(request *certificatesv1.CertificateSigningRequest) bool {
	return slices.ContainsFunc(request.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == certificatesv1.CertificateApproved || c.Type == certificatesv1.CertificateDenied
	})
}

func deny(format string, arguments ...any) Decision {
	return Decision{Verdict: Deny, Message: fmt.Sprintf(format, arguments...)}
}

func parse(data []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("it is no PEM certificate request")
	}
	template, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing it: %w", err)
	}
	if err := template.CheckSignature(); err != nil {
		return nil, fmt.Errorf("checking its signature: %w", err)
	}
	return template, nil
}

// checkSubject returns why the subject or the usages are not those of a kubelet's serving certificate, or "".
func checkSubject(template *x509.CertificateRequest, spec certificatesv1.CertificateSigningRequestSpec) string {
	if template.Subject.CommonName != spec.Username {
		return fmt.Sprintf("the common name is %q, the requester %q", template.Subject.CommonName, spec.Username)
	}
	if !slices.Equal(template.Subject.Organization, []string{nodesGroup}) {
		return fmt.Sprintf("the organization is %q, not %q", template.Subject.Organization, nodesGroup)
	}
	allowed := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageKeyEncipherment, certificatesv1.UsageServerAuth}
	for _, usage := range spec.Usages {
		if !slices.Contains(allowed, usage) {
			return fmt.Sprintf("the usage %q is not one of a server", usage)
		}
	}
	if !slices.Contains(spec.Usages, certificatesv1.UsageServerAuth) {
		return "the usage \"server auth\" is missing"
	}
	if len(template.EmailAddresses) > 0 || len(template.URIs) > 0 {
		return "it names e-mail addresses or URIs"
	}
	return ""
}

// checkNames compares the request's names with the machine's: exactly its name and exactly its address.
func checkNames(template *x509.CertificateRequest, machine *v1alpha1.Machine, age time.Duration) Decision {
	if !slices.Equal(template.DNSNames, []string{machine.Name}) {
		return deny("it names the hosts %q, the machine is %q", template.DNSNames, machine.Name)
	}
	var addresses []string
	for _, address := range template.IPAddresses {
		addresses = append(addresses, address.String())
	}
	if slices.Equal(addresses, []string{machine.Status.Address}) {
		return Decision{Verdict: Approve, Message: fmt.Sprintf("machine %s has this name and this address", machine.Name)}
	}
	if age < addressPatience && len(addresses) == 1 {
		return Decision{Verdict: Wait, Message: fmt.Sprintf("it names the address %s, the machine's is %q", addresses[0], machine.Status.Address)}
	}
	return deny("it names the addresses %q, the machine's is %q", addresses, machine.Status.Address)
}
