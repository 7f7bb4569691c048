package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru.dev/naru/internal/iam"
)

func caller(arn, principal string, session *iam.Session) iam.Caller {
	return iam.Caller{ARN: arn, Principal: principal, AccountID: "111122223333", UserID: "ID", AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Session: session}
}

func TestIdentityOf(t *testing.T) {
	began := time.Unix(1700000000, 0).UTC()
	role := "arn:aws:iam::111122223333:role/team/dev"
	for _, test := range []struct {
		reason string
		caller iam.Caller
		kind   string
		issuer string
	}{
		{"when nobody was let in, it is not known", iam.Caller{}, "Unknown", ""},
		{"when it is the account, it is Root", caller(iam.RootARN("111122223333"), iam.RootARN("111122223333"), nil), "Root", ""},
		{"when it is a user, it is one", caller("arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/alice", nil), "IAMUser", ""},
		{"when it is a role's session, the role is its issuer", caller("arn:aws:sts::111122223333:assumed-role/dev/alice", role, &iam.Session{Name: "alice", Issued: began}), "AssumedRole", role},
	} {
		t.Run(test.reason, func(t *testing.T) {
			got := IdentityOf(test.caller)
			issuer := ""
			if got.Session != nil {
				issuer = got.Session.Issuer.ARN
				if !got.Session.Attributes.CreationDate.Equal(began) {
					t.Errorf("it began at %v", got.Session.Attributes.CreationDate)
				}
			}
			if got.Type != test.kind || issuer != test.issuer {
				t.Errorf("got %s, %s", got.Type, issuer)
			}
		})
	}
}

func TestWriteAndRead(t *testing.T) {
	var file bytes.Buffer
	log := NewLog(&file)
	alice := IdentityOf(caller("arn:aws:iam::111122223333:user/ops/alice", "arn:aws:iam::111122223333:user/ops/alice", nil))
	dev := IdentityOf(caller("arn:aws:sts::111122223333:assumed-role/dev/bob", "arn:aws:iam::111122223333:role/team/dev", &iam.Session{Name: "bob"}))
	at := time.Unix(1700000000, 0).UTC()
	for _, event := range []Event{
		{EventName: "CreateCluster", UserIdentity: alice, EventTime: at, RequestParameters: json.RawMessage(`{"name":"prod"}`), Additional: Decision{Resource: "arn:aws:eks:r:1:cluster/prod"}},
		{EventName: "DeleteCluster", UserIdentity: dev, EventTime: at.Add(time.Hour), ErrorCode: "AccessDeniedException", ErrorMessage: strings.Repeat("x", 5000)},
		{EventName: "ListClusters", UserIdentity: Identity{Type: "Unknown"}, EventTime: at.Add(2 * time.Hour), ErrorCode: "UnrecognizedClientException"},
	} {
		if err := log.Write(event); err != nil {
			t.Fatal(err)
		}
		file.WriteString("time=2026 level=INFO msg=serving\n{\"level\":\"not an event\"}\n")
	}
	if lines := strings.Count(file.String(), "\n"); lines != 9 || len(file.String()) > 6000 {
		t.Errorf("an event is a line, whatever is in it, and a client can't make it long: %d lines, %d bytes", lines, file.Len())
	}
	for _, test := range []struct {
		reason string
		filter Filter
		want   []string
	}{
		{"when nothing is asked, all are found", Filter{}, []string{"CreateCluster", "DeleteCluster", "ListClusters"}},
		{"when a user is named, hers are found, whatever her path", Filter{User: "alice"}, []string{"CreateCluster"}},
		{"when a role is named, its sessions' are found", Filter{User: "dev"}, []string{"DeleteCluster"}},
		{"when a role's ARN is named, its sessions' are found", Filter{User: "arn:aws:iam::111122223333:role/team/dev"}, []string{"DeleteCluster"}},
		{"when a session is named, it is found", Filter{User: "bob"}, []string{"DeleteCluster"}},
		{"when a name only ends alike, it is another's", Filter{User: "ice"}, nil},
		{"when failures are asked for, they are found", Filter{Failed: true}, []string{"DeleteCluster", "ListClusters"}},
		{"when a time is given, later ones are found", Filter{Since: at.Add(90 * time.Minute)}, []string{"ListClusters"}},
		{"when an event is named, it is found", Filter{Event: "CreateCluster"}, []string{"CreateCluster"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			var got []string
			for _, event := range Read(file.Bytes(), test.filter) {
				got = append(got, event.EventName)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	first := Read(file.Bytes(), Filter{})[0]
	if first.Who() != "user/ops/alice" || first.What() != "cluster/prod" || first.Outcome() != "ok" {
		t.Errorf("got %s, %s, %s", first.Who(), first.What(), first.Outcome())
	}
}
