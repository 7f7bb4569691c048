package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"

	"naru.dev/naru/internal/scorecard"
)

// Accounts are those of the platform's operators.
type Accounts interface {
	// Create makes a user that may do what an IAM policy says, and returns a naru that signs with the user's key.
	Create(ctx context.Context, name, policy string) (Naru, error)
	// Lock takes the user's keys away.
	Lock(ctx context.Context, name string) error
	// Delete takes the user away, with all that it has. One that does not exist is no error.
	Delete(ctx context.Context, name string) error
}

// operators is one experiment for two rows: an operator's account that is made, limited, watched and taken away.
type operators struct {
	Name, Cluster string
	// Allowed and Denied are calls that its policy allows and does not, Locked is one after its key was taken away.
	Allowed, Denied, Locked Ran
	// Gone tells that it could be taken away.
	Gone bool
	// Events are what the audit log has of it, by operation.
	Events map[string]auditEvent
}

// auditEvent is what is read of an event in the shape of CloudTrail's.
type auditEvent struct {
	EventName    string    `json:"eventName"`
	EventTime    time.Time `json:"eventTime"`
	ErrorCode    string    `json:"errorCode"`
	Source       string    `json:"sourceIPAddress"`
	UserIdentity struct {
		ARN string `json:"arn"`
	} `json:"userIdentity"`
}

// onlyLists is the operator's policy.
const onlyLists = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:ListClusters","Resource":"*"}]}`

// operatorRows are P28 and P39.
func operatorRows(lab *Lab) []scorecard.Check {
	made := &experiment[operators]{name: "P28", limit: short, observe: func(ctx context.Context, p *project, o *operators) error {
		return o.observe(ctx, lab, p)
	}}
	row := func(id string, judge func(operators) []scorecard.Claim) scorecard.Check {
		return made.row(lab, trial[operators]{row: id, needs: scorecard.PlatformAPI, judge: judge})
	}
	return []scorecard.Check{row("P28", operators.accounts), row("P39", operators.audit)}
}

func (o *operators) observe(ctx context.Context, lab *Lab, p *project) (err error) {
	o.Name, o.Cluster = clusterPrefix+rand.String(8), p.Name
	user := scorecard.Leftover{Kind: scorecard.LeftUser, Name: o.Name}
	if err := lab.Keeper.Leave(user); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.leave(ctx, lab, p.log)) }()
	call, err := lab.Platform.Accounts.Create(ctx, o.Name, onlyLists)
	p.log.Add("iam CreateUser, PutUserPolicy (eks:ListClusters), CreateAccessKey "+o.Name, outcome(err, "made"))
	if err != nil {
		return err
	}
	run := func(into *Ran, what string, wanted func() error, args ...string) error {
		err := await(ctx, what, 20*time.Second, func(ctx context.Context) error {
			var err error
			*into, err = call(ctx, "", append([]string{"api", "eks"}, args...)...)
			if wrong := wanted(); wrong != nil {
				return errors.Join(wrong, err)
			}
			return nil
		})
		p.log.Add("naru api eks "+strings.Join(args, " ")+" ("+o.Name+"'s key)", strings.TrimSpace(into.Stdout+" "+lastLines(into.Stderr, 2)))
		return err
	}
	if err := run(&o.Allowed, "a call that is allowed", o.listed, "ListClusters"); err != nil {
		return err
	}
	if err := run(&o.Denied, "a call that is denied", o.denied, "DescribeCluster", "name="+o.Cluster); err != nil {
		return err
	}
	if err := o.read(ctx, lab, p.log); err != nil {
		return err
	}
	if err := lab.Platform.Accounts.Lock(ctx, o.Name); err != nil {
		return err
	}
	p.log.Add("iam DeleteAccessKey of "+o.Name, "deleted")
	return run(&o.Locked, "the end of the key", o.locked, "ListClusters")
}

// leave takes the account away.
func (o *operators) leave(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err := lab.Platform.removeUser(ctx, o.Name, lab.Keeper)
	o.Gone = err == nil
	log.Add("iam DeleteUserPolicy, DeleteUser "+o.Name, outcome(err, "deleted"))
	return err
}

// removeUser deletes a user of the evaluation's own.
func (p *Platform) removeUser(ctx context.Context, name string, keeper Keeper) error {
	if !strings.HasPrefix(name, clusterPrefix) {
		return fmt.Errorf("user %q is not the evaluation's own: it is not deleted", name)
	}
	if err := p.Accounts.Delete(ctx, name); err != nil {
		return fmt.Errorf("deleting user %s: %w", name, err)
	}
	return keeper.Cleared(scorecard.Leftover{Kind: scorecard.LeftUser, Name: name})
}

// read waits until the audit log has both calls.
func (o *operators) read(ctx context.Context, lab *Lab, log *scorecard.Log) error {
	var ran Ran
	err := await(ctx, "the calls in the audit log", 20*time.Second, func(ctx context.Context) (err error) {
		if ran, err = lab.Platform.Naru(ctx, "", "get", "events", "--user", o.Name, "-o", "json"); err != nil {
			return err
		}
		o.Events = parseEvents(ran.Stdout)
		if len(o.Events) < 2 {
			return fmt.Errorf("it has %d operations of %s", len(o.Events), o.Name)
		}
		return nil
	})
	log.Add("naru get events --user "+o.Name+" -o json", outcome(err, lastLines(ran.Stdout, 4)))
	return err
}

// parseEvents reads events, a line each. Of several of one operation the last counts.
func parseEvents(lines string) map[string]auditEvent {
	events := map[string]auditEvent{}
	for line := range strings.Lines(lines) {
		var event auditEvent
		if json.Unmarshal([]byte(line), &event) == nil && event.EventName != "" {
			events[event.EventName] = event
		}
	}
	return events
}

func (o *operators) listed() error {
	if o.Cluster == "" || o.Allowed.Code != 0 || !strings.Contains(o.Allowed.Stdout, fmt.Sprintf("%q", o.Cluster)) {
		return fmt.Errorf("cluster %s is not listed", o.Cluster)
	}
	return nil
}

func (o *operators) denied() error {
	if o.Denied.Code == 0 || !strings.Contains(o.Denied.Stderr, "AccessDenied") {
		return errors.New("it was not denied")
	}
	return nil
}

func (o *operators) locked() error {
	if o.Locked.Code == 0 || !strings.Contains(o.Locked.Stderr, "UnrecognizedClient") && !strings.Contains(o.Locked.Stderr, "InvalidClientTokenId") {
		return errors.New("the key was not refused")
	}
	return nil
}

func (o operators) accounts() []scorecard.Claim {
	return []scorecard.Claim{
		claim(1, text("An operator's account is made and taken away, and its key ends with it", "운영자 계정을 만들고 회수하며, 회수하면 키도 끝난다"),
			o.listed() == nil && o.locked() == nil && o.Gone, "%s: key refused afterwards: %v, deleted: %v", o.Name, o.locked() == nil, o.Gone),
		claim(1, text("An account may do what its policy says, and no more", "계정은 정책이 허용하는 작업만 할 수 있다"),
			o.listed() == nil && o.denied() == nil, "ListClusters allowed: %v, DescribeCluster denied: %v", o.listed() == nil, o.denied() == nil),
		missing(2, text("Accounts from an LDAP directory", "LDAP 디렉터리의 계정 연계")),
	}
}

func (o operators) audit() []scorecard.Claim {
	told := func(operation string) bool {
		event := o.Events[operation]
		return o.Name != "" && strings.HasSuffix(event.UserIdentity.ARN, "/"+o.Name) && !event.EventTime.IsZero() && event.Source != ""
	}
	allowed, denied := o.Events["ListClusters"], o.Events["DescribeCluster"]
	return []scorecard.Claim{
		claim(0.5, text("Each call of the platform's API is in a log that can be searched: who, from where, when, what, and whether it was let through", "플랫폼 API의 모든 호출이 검색 가능한 로그에 남는다: 누가, 어디서, 언제, 무엇을, 허용 여부"),
			told("ListClusters") && allowed.ErrorCode == "" && told("DescribeCluster") && strings.Contains(denied.ErrorCode, "AccessDenied"),
			"of %s: ListClusters %q, DescribeCluster %q", o.Name, outcomeCode(allowed), outcomeCode(denied)),
		missing(0.5, text("The calls of the clusters' own APIs, and a log that outlives its server", "클러스터 자체 API의 호출 기록과 서버 교체 후에도 남는 보관")),
	}
}

// outcomeCode is the error of an event, ok, or nothing where there is none.
func outcomeCode(event auditEvent) string {
	if event.EventName != "" && event.ErrorCode == "" {
		return "ok"
	}
	return event.ErrorCode
}
