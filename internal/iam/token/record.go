package token

import (
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"naru.dev/naru/internal/iam"
)

// The decisions of a Record.
const (
	Allowed = "allow"
	Refused = "deny"
	// Undecided is an error of Naru's own: the API server asks again.
	Undecided = "error"
)

// Record is what came of one token that was shown to an API server. It holds nothing of the token but the key that it was signed with,
// by its name, and who it is only where the signature was good.
type Record struct {
	Time time.Time `json:"time"`
	// ARN is of who has signed, Principal of whom the access entry has to be.
	ARN         string `json:"arn,omitempty"`
	Principal   string `json:"principal,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
	// Username, UID and Groups are whom the cluster takes it for.
	Username string   `json:"username,omitempty"`
	UID      string   `json:"uid,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Decision string   `json:"decision"`
	Reason   string   `json:"reason"`
}

// newRecord tells of a review's outcome.
func newRecord(at time.Time, caller iam.Caller, status authenticationv1.TokenReviewStatus, err error) Record {
	record := Record{Time: at.UTC(), ARN: caller.ARN, Principal: caller.Principal, AccessKeyID: caller.AccessKeyID, Decision: Refused, Reason: status.Error}
	switch {
	case err != nil:
		record.Decision, record.Reason = Undecided, "the authenticator could not find out: naru logs authenticator says why"
	case status.Authenticated:
		record.Decision, record.Reason = Allowed, "the access entry of "+caller.Principal
		record.Username, record.UID, record.Groups = status.User.Username, status.User.UID, status.User.Groups
	}
	return record
}
