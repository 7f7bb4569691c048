package server

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// rotated waits until a cluster's last change is done, and lists its authorities by the status of their signing.
func rotated(t *testing.T, client *eks.Client, update *types.Update) map[types.CertificateAuthoritySigningStatus]types.CertificateAuthoritySummary {
	t.Helper()
	for range 100 {
		// Each reading takes the simulated cluster a step further.
		if _, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("prod")}); err != nil {
			t.Fatal(err)
		}
		out, err := client.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String("prod"), UpdateId: update.Id})
		if err != nil {
			t.Fatal(err)
		}
		if out.Update.Status == types.UpdateStatusInProgress {
			continue
		}
		if out.Update.Type != types.UpdateTypeCertificateAuthorityUpdate || out.Update.Status != types.UpdateStatusSuccessful {
			t.Errorf("the update is %+v", out.Update)
		}
		list, err := client.ListCertificateAuthorities(t.Context(), &eks.ListCertificateAuthoritiesInput{ClusterName: aws.String("prod")})
		if err != nil {
			t.Fatal(err)
		}
		found := map[types.CertificateAuthoritySigningStatus]types.CertificateAuthoritySummary{}
		for _, ca := range list.CertificateAuthorities {
			found[ca.SigningStatus] = ca
		}
		return found
	}
	t.Fatal("the update is not done after 100 looks")
	return nil
}

func TestRotateAuthority(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	name := aws.String("prod")
	create := &eks.CreateCertificateAuthorityInput{ClusterName: name, ClientRequestToken: aws.String("once")}
	made, err := client.CreateCertificateAuthority(t.Context(), create)
	if err != nil {
		t.Fatal(err)
	}
	second := made.CertificateAuthority
	if second.SigningStatus != types.CertificateAuthoritySigningStatusNotUsed || second.DistributionStatus != types.CertificateAuthorityDistributionStatusInProgress ||
		second.CreatedBy != types.CertificateAuthorityCreatedByCustomer || second.CreatedAt == nil || made.Update.Status != types.UpdateStatusInProgress {
		t.Errorf("when one is created, it is about to be distributed: %+v, %+v", second, made.Update)
	}
	if again, err := client.CreateCertificateAuthority(t.Context(), create); err != nil || *again.CertificateAuthority.Id != *second.Id || *again.Update.Id != *made.Update.Id {
		t.Errorf("when the same request comes again, it is the same one: %+v, %v", again, err)
	}
	activate := &eks.ActivateCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: second.Id}
	refused[*types.InvalidRequestException](t, "when it is not distributed, it can't be activated")(client.ActivateCertificateAuthority(t.Context(), activate))

	before := rotated(t, client, made.Update)
	first := before[types.CertificateAuthoritySigningStatusInUse]
	if len(before) != 2 || *before[types.CertificateAuthoritySigningStatusNotUsed].Id != *second.Id || first.CreatedBy != types.CertificateAuthorityCreatedByEks {
		t.Fatalf("when it is distributed, there are two: %+v", before)
	}
	refused[*types.InvalidRequestException](t, "when there are two, there is no third")(
		client.CreateCertificateAuthority(t.Context(), &eks.CreateCertificateAuthorityInput{ClusterName: name}))
	remove := &eks.DeleteCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: first.Id}
	refused[*types.ResourceInUseException](t, "when one is in use, it can't be deleted")(client.DeleteCertificateAuthority(t.Context(), remove))
	refused[*types.ResourceNotFoundException](t, "when there is no such one, that is said")(
		client.ActivateCertificateAuthority(t.Context(), &eks.ActivateCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: aws.String("none")}))

	activated, err := client.ActivateCertificateAuthority(t.Context(), activate)
	if err != nil || activated.CertificateAuthority.SigningStatus != types.CertificateAuthoritySigningStatusActivating {
		t.Fatalf("when it is activated, it is about to sign: %+v, %v", activated, err)
	}
	refused[*types.ResourceInUseException](t, "when one is still in use, it can't be deleted")(client.DeleteCertificateAuthority(t.Context(), remove))
	if after := rotated(t, client, activated.Update); *after[types.CertificateAuthoritySigningStatusInUse].Id != *second.Id || *after[types.CertificateAuthoritySigningStatusNotUsed].Id != *first.Id {
		t.Fatalf("when it is active, the other is not used: %+v", after)
	}
	refused[*types.InvalidRequestException](t, "when it signs already, it can't be activated")(client.ActivateCertificateAuthority(t.Context(), &eks.ActivateCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: second.Id}))
	out, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: name})
	if err != nil || *out.Cluster.CertificateAuthority.Active.Id != *second.Id {
		t.Errorf("the cluster names the one that signs: %+v, %v", out.Cluster.CertificateAuthority, err)
	}

	deleted, err := client.DeleteCertificateAuthority(t.Context(), remove)
	if err != nil || deleted.CertificateAuthority.DistributionStatus != types.CertificateAuthorityDistributionStatusDeleting {
		t.Fatalf("when one is deleted, it is about to go: %+v, %v", deleted, err)
	}
	if last := rotated(t, client, deleted.Update); len(last) != 1 || *last[types.CertificateAuthoritySigningStatusInUse].Id != *second.Id {
		t.Errorf("when it is gone, there is one: %+v", last)
	}
	refused[*types.ResourceNotFoundException](t, "when one is gone, that is said")(
		client.DeleteCertificateAuthority(t.Context(), &eks.DeleteCertificateAuthorityInput{ClusterName: name, CertificateAuthorityId: first.Id}))
	third, err := client.CreateCertificateAuthority(t.Context(), &eks.CreateCertificateAuthorityInput{ClusterName: name})
	if err != nil || *third.CertificateAuthority.Id == *first.Id {
		t.Errorf("when another is created, it has an id that none had before: %+v, %v", third, err)
	}
}

// refused checks that a call ends in an error of one kind.
func refused[E error](t *testing.T, reason string) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if wanted := *new(E); !errors.As(err, &wanted) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
