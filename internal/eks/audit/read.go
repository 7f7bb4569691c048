package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Filter chooses events. What is empty chooses all.
type Filter struct {
	// User is the name of a user, a role or a session, or an ARN.
	User string
	// Event as DeleteCluster.
	Event string
	// Since leaves out what came before.
	Since time.Time
	// Failed keeps only calls that were refused or failed.
	Failed bool
}

// Read finds the events in a log, where lines of other kinds may stand between them.
func Read(log []byte, filter Filter) []Event {
	var found []Event
	for line := range bytes.Lines(log) {
		var event Event
		if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &event) != nil || event.EventName == "" {
			continue
		}
		if filter.chooses(event) {
			found = append(found, event)
		}
	}
	return found
}

func (f Filter) chooses(e Event) bool {
	return (f.User == "" || isUser(e.UserIdentity, f.User)) && (f.Event == "" || e.EventName == f.Event) &&
		!e.EventTime.Before(f.Since) && (!f.Failed || e.ErrorCode != "")
}

// isUser tells whether an ARN is, or ends in, a name; of a role's session either part is one.
func isUser(identity Identity, user string) bool {
	if identity.ARN == user || identity.Session != nil && identity.Session.Issuer.ARN == user {
		return true
	}
	parts := strings.Split(identity.ARN, "/")
	for _, part := range parts[1:] {
		if part == user {
			return true
		}
	}
	return false
}

// Who is the caller as a reader knows it: the ARN without what all of an account's have in common.
func (e Event) Who() string {
	if e.UserIdentity.ARN == "" {
		return "-"
	}
	return e.UserIdentity.ARN[strings.LastIndex(e.UserIdentity.ARN, ":")+1:]
}

// What is the last part of the ARN that was decided about.
func (e Event) What() string {
	arn := e.Additional.Resource
	return arn[strings.LastIndex(arn, ":")+1:]
}

// Outcome is ok, or the code of the error.
func (e Event) Outcome() string {
	if e.ErrorCode != "" {
		return e.ErrorCode
	}
	return "ok"
}
