// Package audit writes one line of JSON a call, in the shape of CloudTrail's events, so that what reads
// those reads these:
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
//
// What is never in a line: secrets, tokens, signatures, and the answers of calls that read.
package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"naru.dev/naru/internal/iam"
)

// SourceIP is what a connection's address, as 10.0.0.7:41234, is called in an event: without its port.
func SourceIP(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// Event is one call.
type Event struct {
	EventVersion       string          `json:"eventVersion"`
	UserIdentity       Identity        `json:"userIdentity"`
	EventTime          time.Time       `json:"eventTime"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	AWSRegion          string          `json:"awsRegion"`
	SourceIPAddress    string          `json:"sourceIPAddress"`
	UserAgent          string          `json:"userAgent,omitempty"`
	ErrorCode          string          `json:"errorCode,omitempty"`
	ErrorMessage       string          `json:"errorMessage,omitempty"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	ResponseElements   json.RawMessage `json:"responseElements"`
	Additional         Decision        `json:"additionalEventData,omitzero"`
	RequestID          string          `json:"requestID"`
	EventID            string          `json:"eventID"`
	ReadOnly           bool            `json:"readOnly"`
	EventType          string          `json:"eventType"`
	ManagementEvent    bool            `json:"managementEvent"`
	RecipientAccountID string          `json:"recipientAccountId"`
	EventCategory      string          `json:"eventCategory"`
}

// Decision is what the policies said of the call.
type Decision struct {
	Action   string `json:"action,omitempty"`
	Resource string `json:"resource,omitempty"`
	// Decision is allowed or denied; empty where it did not come to one.
	Decision string `json:"decision,omitempty"`
	Because  string `json:"because,omitempty"`
}

// Identity is who called.
type Identity struct {
	Type        string          `json:"type"`
	PrincipalID string          `json:"principalId,omitempty"`
	ARN         string          `json:"arn,omitempty"`
	AccountID   string          `json:"accountId,omitempty"`
	AccessKeyID string          `json:"accessKeyId,omitempty"`
	Session     *SessionContext `json:"sessionContext,omitempty"`
}

// SessionContext is whose session it was.
type SessionContext struct {
	Issuer struct {
		Type string `json:"type"`
		ARN  string `json:"arn"`
	} `json:"sessionIssuer"`
	Attributes struct {
		CreationDate time.Time `json:"creationDate"`
	} `json:"attributes"`
}

// IdentityOf describes a caller. The zero one is nobody: a call that was not let in.
func IdentityOf(caller iam.Caller) Identity {
	identity := Identity{Type: "Unknown", PrincipalID: caller.UserID, ARN: caller.ARN, AccountID: caller.AccountID, AccessKeyID: caller.AccessKeyID}
	switch {
	case caller.ARN == "":
	case caller.IsRoot():
		identity.Type = "Root"
	case strings.Contains(caller.ARN, ":assumed-role/"):
		identity.Type = "AssumedRole"
	default:
		identity.Type = "IAMUser"
	}
	if caller.Session != nil {
		identity.Session = &SessionContext{}
		identity.Session.Issuer.Type, identity.Session.Issuer.ARN = "Role", caller.Principal
		if identity.Type != "AssumedRole" {
			identity.Session.Issuer.Type = "User"
		}
		identity.Session.Attributes.CreationDate = caller.Session.Issued
	}
	return identity
}

// Log is where events go, one line each. It may be used by any number of goroutines.
type Log struct {
	mu sync.Mutex
	to io.Writer
}

// NewLog returns a log that writes to a file or a pipe.
func NewLog(to io.Writer) *Log { return &Log{to: to} }

// longest is how many characters of what a client chose are kept of each.
const longest = 512

// Write adds an event. What is the same for every event is filled in.
func (l *Log) Write(event Event) error {
	event.EventVersion, event.EventType, event.EventCategory, event.ManagementEvent = "1.10", "AwsApiCall", "Management", true
	event.UserAgent, event.ErrorMessage = cut(event.UserAgent), cut(event.ErrorMessage)
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("writing an audit event: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.to.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing an audit event: %w", err)
	}
	return nil
}

func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
