package checks

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// eventOf is an event of a call of a user, as the audit log has it.
func eventOf(user, operation, code string) string {
	return fmt.Sprintf(`{"eventName":%q,"eventTime":%q,"sourceIPAddress":"10.0.0.1","errorCode":%q,"userIdentity":{"arn":"arn:aws:iam::1:user/%s"}}`+"\n",
		operation, time.Unix(1700000000, 0).UTC().Format(time.RFC3339), code, user)
}

func operationJudgements() []judgement {
	operator := operators{
		Name: "eval-a", Cluster: "c", Gone: true, Allowed: done("api", `{"clusters":["c"]}`),
		Denied: Ran{Code: 1, Stderr: "AccessDeniedException: no"}, Locked: Ran{Code: 1, Stderr: "UnrecognizedClientException: no"},
		Events: parseEvents(eventOf("eval-a", "ListClusters", "") + eventOf("eval-a", "DescribeCluster", "AccessDeniedException")),
	}
	return append([]judgement{
		{"P28", operator.accounts(), 2, map[string]worth{
			"when an account may do anything":           {but(operator, func(o *operators) { o.Denied = done("api", "{}") }).accounts(), 1},
			"when it may do nothing":                    {but(operator, func(o *operators) { o.Allowed = Ran{Code: 1} }).accounts(), 0},
			"when a key that was taken away still goes": {but(operator, func(o *operators) { o.Locked = done("api", "{}") }).accounts(), 1},
			"when the API only fails":                   {but(operator, func(o *operators) { o.Denied.Stderr, o.Locked.Stderr = "timed out", "timed out" }).accounts(), 0},
			"when it can't be deleted":                  {but(operator, func(o *operators) { o.Gone = false }).accounts(), 1},
		}},
		{"P39", operator.audit(), 0.5, map[string]worth{
			"when a refused call is not there": {but(operator, func(o *operators) { o.Events = parseEvents(eventOf("eval-a", "ListClusters", "")) }).audit(), 0},
			"when a call is somebody else's": {but(operator, func(o *operators) {
				o.Events = parseEvents(eventOf("eval-b", "ListClusters", "") + eventOf("eval-a", "DescribeCluster", "AccessDeniedException"))
			}).audit(), 0},
			"when what was denied is told as let through": {but(operator, func(o *operators) {
				o.Events = parseEvents(eventOf("eval-a", "ListClusters", "") + eventOf("eval-a", "DescribeCluster", ""))
			}).audit(), 0},
		}},
	}, append(logJudgements(), projectJudgements()...)...)
}

func logJudgements() []judgement {
	logs := machineLogs{Machines: []string{"a", "b"}, Shown: []string{"a", "b"}}
	life := lifecycle{Ran: []string{"Killing", "Scheduled", "Started"}, Refused: []string{"Failed", "Scheduled"}}
	past := pastLogs{Word: "first-1", Other: "other-1", Previous: "first-1\n", Present: "second life\n", Service: "second life\nother-1\n"}
	return []judgement{
		{"P36", logs.judge(), 0.5, map[string]worth{
			"when a machine's log is not shown": {but(logs, func(o *machineLogs) { o.Shown = []string{"a"} }).judge(), 0},
			"when there is one machine only":    {machineLogs{Machines: []string{"a"}, Shown: []string{"a"}}.judge(), 0},
		}},
		{"P37", life.judge(), 1, map[string]worth{
			"when a container's end is not told":    {but(life, func(o *lifecycle) { o.Ran = []string{"Scheduled", "Started"} }).judge(), 0.5},
			"when nobody tells what went wrong":     {but(life, func(o *lifecycle) { o.Refused = []string{"Scheduled"} }).judge(), 0.5},
			"when there are no events of these two": {lifecycle{}.judge(), 0},
		}},
		{"A24", past.judge(), 1, map[string]worth{
			"when the log before is gone":         {but(past, func(o *pastLogs) { o.Previous = "" }).judge(), 0.5},
			"when both lives are one log":         {but(past, func(o *pastLogs) { o.Present = "first-1\nsecond life" }).judge(), 0.5},
			"when a finished pod's log is gone":   {but(past, func(o *pastLogs) { o.Service = "second life" }).judge(), 0.5},
			"when every log is the same sentence": {pastLogs{Word: "first-1", Other: "other-1", Previous: "fake logs", Present: "fake logs", Service: "fake logs"}.judge(), 0},
		}},
	}
}

func projectJudgements() []judgement {
	route := routed{Addresses: 2, First: "one", Second: "two", Closed: true}
	pipe := piped{First: "build test", Stopped: true, Changed: "build test scan"}
	settings := map[string]string{"development": "a", "production": "b"}
	stage := staged{Found: []string{"development", "production"}, Answers: settings, Settings: settings, Refused: true, Taken: true}
	return []judgement{
		{"A16", route.judge(), 0.5, map[string]worth{
			"when it can't be changed":     {but(route, func(o *routed) { o.Second = "one" }).judge(), 0},
			"when it outlives its removal": {but(route, func(o *routed) { o.Closed = false }).judge(), 0},
			"when nobody was asked":        {but(route, func(o *routed) { o.Addresses = 0 }).judge(), 0},
		}},
		{"A23", pipe.judge(), 1, map[string]worth{
			"when steps run in another order":           {but(pipe, func(o *piped) { o.First = "test build" }).judge(), 0},
			"when a failed step does not stop the rest": {but(pipe, func(o *piped) { o.Broken = "build" }).judge(), 0.5},
			"when a failure is no failure":              {but(pipe, func(o *piped) { o.Stopped = false }).judge(), 0.5},
			"when the old steps run again":              {but(pipe, func(o *piped) { o.Changed = "build test" }).judge(), 0.5},
		}},
		{"A34", stage.judge(), 0.5, map[string]worth{
			"when stages share their settings":   {but(stage, func(o *staged) { o.Answers = map[string]string{"development": "a", "production": "a"} }).judge(), 0},
			"when a stage is not found":          {but(stage, func(o *staged) { o.Found = []string{"production"} }).judge(), 0},
			"when a limit holds in every stage":  {but(stage, func(o *staged) { o.Taken = false }).judge(), 0},
			"when a stage's limit is not looked": {but(stage, func(o *staged) { o.Refused = false }).judge(), 0},
		}},
	}
}

func TestReasons(t *testing.T) {
	event := func(namespace, pod, reason string) corev1.Event {
		return corev1.Event{Reason: reason, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod}}
	}
	got := reasons([]corev1.Event{event("a", "p", "Started"), event("a", "p", "Killing"), event("a", "p", "Started"), event("b", "p", "Failed"), event("a", "q", "Failed")}, "a", "p")
	if diff := cmp.Diff([]string{"Killing", "Started"}, got); diff != "" {
		t.Error(diff)
	}
}
