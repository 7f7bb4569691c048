package convert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
)

// Authority is the certificate authority of a cluster's API as EKS describes it; nil until there is one.
func (Site) Authority(cluster *v1alpha1.Cluster) *types.CertificateAuthority {
	data := cluster.Status.Endpoint.CertificateAuthority
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(block.Bytes)
	return &types.CertificateAuthority{
		Id: aws.String(hex.EncodeToString(sum[:16])), Data: aws.String(base64.StdEncoding.EncodeToString(data)),
		CreatedAt: created(cluster), ActivatedAt: created(cluster),
		CreatedBy: types.CertificateAuthorityCreatedByEks, ActivatedBy: types.CertificateAuthorityActivatedByEks,
		SigningStatus: types.CertificateAuthoritySigningStatusInUse, DistributionStatus: types.CertificateAuthorityDistributionStatusComplete,
		RollbackAvailable: aws.Bool(false),
		Validity:          &types.CertificateAuthorityValidity{NotBefore: aws.Time(certificate.NotBefore), NotAfter: aws.Time(certificate.NotAfter)},
	}
}
