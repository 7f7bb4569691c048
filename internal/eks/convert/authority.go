package convert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
)

// AuthorityID is what EKS calls one generation of a cluster's certificate authority, before it is made, too.
func AuthorityID(cluster *v1alpha1.Cluster, generation int32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", cluster.UID, generation))
	return hex.EncodeToString(sum[:16])
}

// Generation is the inverse of AuthorityID, among those that a cluster has or is to have.
func Generation(cluster *v1alpha1.Cluster, id string) (generation int32, ok bool) {
	for _, authority := range authorities(cluster) {
		if AuthorityID(cluster, authority.Generation) == id {
			return authority.Generation, true
		}
	}
	return 0, false
}

// authorities are those that a cluster has or is to have, as they were seen, or, where that is newer, asked for.
func authorities(cluster *v1alpha1.Cluster) []v1alpha1.ClusterAuthority {
	if len(cluster.Status.Authorities) == 0 {
		return nil
	}
	wanted, all := cluster.WantedAuthorities(), slices.Clone(cluster.Status.Authorities)
	for _, generation := range wanted.Trusted {
		if !slices.ContainsFunc(all, func(a v1alpha1.ClusterAuthority) bool { return a.Generation == generation }) {
			all = append(all, v1alpha1.ClusterAuthority{Generation: generation, Signing: v1alpha1.AuthorityNotUsed, Distribution: v1alpha1.AuthorityInProgress})
		}
	}
	for i := range all {
		if !slices.Contains(wanted.Trusted, all[i].Generation) {
			all[i].Distribution = v1alpha1.AuthorityDeleting
		}
		if all[i].Generation == wanted.Signing && all[i].Signing == v1alpha1.AuthorityNotUsed {
			all[i].Signing = v1alpha1.AuthorityActivating
		}
	}
	return all
}

// Authorities are the certificate authorities of a cluster's API as EKS describes them; none until there is one.
func (Site) Authorities(cluster *v1alpha1.Cluster) []types.CertificateAuthority {
	var shapes []types.CertificateAuthority
	for _, authority := range authorities(cluster) {
		shapes = append(shapes, authorityShape(cluster, authority))
	}
	return shapes
}

func authorityShape(cluster *v1alpha1.Cluster, authority v1alpha1.ClusterAuthority) types.CertificateAuthority {
	shape := types.CertificateAuthority{
		Id:                 aws.String(AuthorityID(cluster, authority.Generation)),
		CreatedBy:          types.CertificateAuthorityCreatedByCustomer,
		SigningStatus:      signingStatus(authority.Signing),
		DistributionStatus: distributionStatus(authority.Distribution),
		RollbackAvailable:  aws.Bool(rollback(cluster, authority)),
	}
	if authority.Generation == 1 {
		shape.CreatedBy = types.CertificateAuthorityCreatedByEks
	}
	if !authority.Created.IsZero() {
		shape.CreatedAt = aws.Time(authority.Created.Time)
	} else if update, ok := updateOf(cluster, *shape.Id); ok {
		shape.CreatedAt = aws.Time(update.Created)
	}
	if at := authority.Activated; at != nil {
		shape.ActivatedAt, shape.ActivatedBy = aws.Time(at.Time), types.CertificateAuthorityActivatedByCustomer
		if at.Equal(&authority.Created) {
			shape.ActivatedBy = types.CertificateAuthorityActivatedByEks
		}
	}
	if len(authority.Certificate) > 0 {
		shape.Data = aws.String(base64.StdEncoding.EncodeToString(authority.Certificate))
	}
	if block, _ := pem.Decode(authority.Certificate); block != nil {
		if own, err := x509.ParseCertificate(block.Bytes); err == nil {
			shape.Validity = &types.CertificateAuthorityValidity{NotBefore: aws.Time(own.NotBefore), NotAfter: aws.Time(own.NotAfter)}
		}
	}
	return shape
}

// updateOf is the first change that an authority was in.
func updateOf(cluster *v1alpha1.Cluster, id string) (Update, bool) {
	all := Updates(cluster)
	i := slices.IndexFunc(all, func(u Update) bool {
		return slices.Contains(u.Params, [2]string{string(types.UpdateParamTypeCertificateAuthorityId), id})
	})
	if i < 0 {
		return Update{}, false
	}
	return all[i], true
}

// rollback tells whether another authority that has signed before could sign again in the place of this one.
func rollback(cluster *v1alpha1.Cluster, authority v1alpha1.ClusterAuthority) bool {
	return authority.Signing == v1alpha1.AuthorityInUse && slices.ContainsFunc(cluster.Status.Authorities, func(other v1alpha1.ClusterAuthority) bool {
		return other.Generation != authority.Generation && other.Activated != nil && other.Distribution == v1alpha1.AuthorityComplete
	})
}

func signingStatus(signing v1alpha1.AuthoritySigning) types.CertificateAuthoritySigningStatus {
	switch signing {
	case v1alpha1.AuthorityInUse:
		return types.CertificateAuthoritySigningStatusInUse
	case v1alpha1.AuthorityActivating:
		return types.CertificateAuthoritySigningStatusActivating
	default:
		return types.CertificateAuthoritySigningStatusNotUsed
	}
}

func distributionStatus(distribution v1alpha1.AuthorityDistribution) types.CertificateAuthorityDistributionStatus {
	switch distribution {
	case v1alpha1.AuthorityComplete:
		return types.CertificateAuthorityDistributionStatusComplete
	case v1alpha1.AuthorityDeleting:
		return types.CertificateAuthorityDistributionStatusDeleting
	default:
		return types.CertificateAuthorityDistributionStatusInProgress
	}
}

// Summary is what lists and changes say of an authority.
func Summary(ca types.CertificateAuthority) types.CertificateAuthoritySummary {
	return types.CertificateAuthoritySummary{
		Id: ca.Id, CreatedAt: ca.CreatedAt, ActivatedAt: ca.ActivatedAt, CreatedBy: ca.CreatedBy, ActivatedBy: ca.ActivatedBy,
		SigningStatus: ca.SigningStatus, DistributionStatus: ca.DistributionStatus,
	}
}

// activeAuthority is the one that has signed all certificates; nil until there is one.
func activeAuthority(cluster *v1alpha1.Cluster) *types.ActiveCertificateAuthority {
	for _, ca := range (Site{}).Authorities(cluster) {
		if ca.SigningStatus == types.CertificateAuthoritySigningStatusInUse {
			return &types.ActiveCertificateAuthority{Id: ca.Id, ActivatedBy: ca.ActivatedBy}
		}
	}
	return nil
}
