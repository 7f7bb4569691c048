package checks

import (
	"slices"
	"time"
)

// replies are n answers of pods with these names, in turn.
func replies(marker string, n int, pods ...string) []reply {
	var all []reply
	for i := range n {
		all = append(all, reply{pods[i%len(pods)], marker})
	}
	return all
}

func deployJudgements() []judgement {
	deploy := deployed{Pod: "p", Digest: "hello@sha256:1", Answer: reply{"p", "first"}, Refused: "ErrImagePull", Pinned: "pinned"}
	recreate := recreated{Samples: 9, Done: true, Answer: reply{"p", "new"}}
	both := append(replies("old", 30, "a"), replies("new", 30, "b")...)
	roll := rolled{Seen: seen{Replies: both, Order: []string{"old", "new"}}, Done: true}
	back := rolledBack{Broken: true, Served: seen{Replies: replies("good", 30, "a")}, First: "rs-1", Active: "rs-1", Answer: reply{"a", "good"}}
	turn := blueGreen{Served: seen{Replies: both}, Green: replies("green", 10, "g"), Blue: replies("blue", 10, "b")}
	shared := shares{
		Few:  append(replies("stable", 60, "a", "b", "c"), replies("canary", 20, "d")...),
		Even: append(replies("stable", 40, "a", "b"), replies("canary", 40, "d", "e")...), Promoted: replies("canary", 20, "d", "e"),
	}
	pushed := images{Content: [2]string{"one", "two"}, Digest: [2]string{"sha256:1", "sha256:2"}, Ran: [3]string{"one", "two", "one"}, Revisions: []string{"1: a", "2: b"}, Deleted: true}
	stale := but(pushed, func(o *images) { o.Ran = [3]string{"one", "one", "one"} })
	same := but(pushed, func(o *images) { o.Digest[1] = o.Digest[0] })
	return []judgement{
		{"A02", deploy.judge(), 5, map[string]worth{
			"when another pod answers":                         {but(deploy, func(o *deployed) { o.Answer.Pod = "q" }).judge(), 2},
			"when an image that does not exist is not noticed": {but(deploy, func(o *deployed) { o.Refused = "" }).judge(), 4},
			"when it can't be run by its digest":               {but(deploy, func(o *deployed) { o.Pinned = "" }).judge(), 4},
		}},
		{"A03", recreate.judge(), 1, map[string]worth{
			"when both versions run at a time": {but(recreate, func(o *recreated) { o.Overlaps = 1 }).judge(), 0.5},
			"when the old version answers":     {but(recreate, func(o *recreated) { o.Answer.Marker = "old" }).judge(), 0.5},
		}},
		{"A04", roll.judge(), 1, map[string]worth{
			"when a request fails":                {but(roll, func(o *rolled) { o.Seen.Failed = 1 }).judge(), 0.5},
			"when the old version answers last":   {but(roll, func(o *rolled) { o.Seen.Order = []string{"old", "new", "old"} }).judge(), 0.5},
			"when the new version never answered": {but(roll, func(o *rolled) { o.Seen.Replies = replies("old", 60, "a") }).judge(), 0},
		}},
		{"A05", back.judge(), 1, map[string]worth{
			"when the bad version is asked": {but(back, func(o *rolledBack) { o.Served.Replies = slices.Concat(o.Served.Replies, replies("bad", 1, "b")) }).judge(), 0.5},
			"when it stays at the bad one":  {but(back, func(o *rolledBack) { o.Active = "rs-2" }).judge(), 0.5},
		}},
		{"A06", turn.judge(), 0.5, map[string]worth{
			"when the Service still leads to the old version": {but(turn, func(o *blueGreen) { o.Green = replies("blue", 10, "b") }).judge(), 0},
			"when a request fails":                            {but(turn, func(o *blueGreen) { o.Served.Failed = 1 }).judge(), 0},
		}},
		{"A07", shared.canary(), 0.5, map[string]worth{
			"when the canary gets everything":       {but(shared, func(o *shares) { o.Few = replies("canary", 80, "d") }).canary(), 0},
			"when the old version answers after it": {but(shared, func(o *shares) { o.Promoted = replies("stable", 20, "a") }).canary(), 0},
			"when requests fail":                    {but(shared, func(o *shares) { o.Failed = 2 }).canary(), 0},
		}},
		{"A14", shared.weighted(), 2, map[string]worth{
			"when shares do not follow the number of pods": {but(shared, func(o *shares) { o.Even = replies("stable", 80, "a") }).weighted(), 0},
		}},
		{"A08", pushed.service(), 2, map[string]worth{"when clusters do not pull what was pushed": {stale.service(), 1}}},
		{"A09", pushed.management(), 0.75, map[string]worth{
			"when the second version is not listed as another": {same.management(), 0.25},
			"when a deleted tag is still listed":               {but(pushed, func(o *images) { o.Deleted = false }).management(), 0.5},
		}},
		{"A12", pushed.versions(), 3, map[string]worth{"when an old version runs": {stale.versions(), 1}, "when versions are one image": {same.versions(), 2}}},
	}
}

func containerJudgements() []judgement {
	limit := limited{Capped: 0.1, Free: 0.7, Memory: "OOMKilled", Storage: "Evicted Pod ephemeral local storage usage exceeds"}
	balance := balanced{One: replies("1", 45, "a"), Three: replies("1", 45, "a", "b", "c"), Back: replies("1", 45, "a"), Grown: 2, Busy: 2}
	connect := connected{Local: "from-pair\n", Pod: "from-pair", Service: "from-pair", Nodes: []string{"a", "b"}}
	watch := watched{Restarts: map[string]int32{"http": 1, "port": 1, "process": 2}, Out: true, In: true}
	debug := debugged{Pod: "app", Forwarded: "Hello from app, version 1, on node debug\n", Processes: "/usr/local/bin/hello\nNODE_NAME=debug"}
	follow := followed{Past: true, Delays: slices.Repeat([]time.Duration{time.Second}, lines)}
	shell := shelled{Pod: "box", Hostname: "box", Echo: "heard", Failed: true, Terminal: "/dev/pts/0"}
	return []judgement{
		{"A11", limit.judge(), 3, map[string]worth{
			"when the processor is not limited":                        {but(limit, func(o *limited) { o.Capped = 0.7 }).judge(), 2},
			"when the limited one is slow since nothing gets anything": {but(limit, func(o *limited) { o.Free = 0.1 }).judge(), 2},
			"when too much memory is given":                            {but(limit, func(o *limited) { o.Memory = "Completed" }).judge(), 2},
			"when too much storage is given":                           {but(limit, func(o *limited) { o.Storage = "" }).judge(), 2},
		}},
		{"A13", balance.judge(), 5, map[string]worth{
			"when new pods get no requests":          {but(balance, func(o *balanced) { o.Three = replies("1", 45, "a") }).judge(), 3},
			"when one of them gets next to none":     {but(balance, func(o *balanced) { o.Three = append(replies("1", 44, "a", "b"), reply{"c", "1"}) }).judge(), 3},
			"when requests go to pods that are gone": {but(balance, func(o *balanced) { o.Back = replies("1", 20, "a") }).judge(), 4},
			"when the autoscaler does nothing":       {but(balance, func(o *balanced) { o.Grown, o.Busy = 1, 1 }).judge(), 3},
		}},
		{"A15", connect.judge(), 3, map[string]worth{
			"when nodes do not reach each other": {but(connect, func(o *connected) { o.Pod = "" }).judge(), 2},
			"when both pods are on one node":     {but(connect, func(o *connected) { o.Nodes = []string{"a", "a"} }).judge(), 2},
			"when names are not resolved":        {but(connect, func(o *connected) { o.Service = "" }).judge(), 2},
			"when localhost is not shared":       {but(connect, func(o *connected) { o.Local = "" }).judge(), 2},
		}},
		{"A18", watch.judge(), 2, map[string]worth{
			"when a check is ignored":         {but(watch, func(o *watched) { o.Restarts = map[string]int32{"http": 1} }).judge(), 1},
			"when a pod that is ill is asked": {but(watch, func(o *watched) { o.Out = false }).judge(), 1.5},
		}},
		{"A20", debug.judge(), 2, map[string]worth{
			"when another pod answers":           {but(debug, func(o *debugged) { o.Forwarded = "Hello from other, version 1, on node debug" }).judge(), 1},
			"when the application can't be seen": {but(debug, func(o *debugged) { o.Processes = "/pause\n" }).judge(), 1},
		}},
		{"A21", follow.judge(), 3, map[string]worth{
			"when lines come late":                 {but(follow, func(o *followed) { o.Delays = slices.Repeat([]time.Duration{9 * time.Second}, lines) }).judge(), 1},
			"when the stream ends early":           {but(follow, func(o *followed) { o.Delays = o.Delays[:2] }).judge(), 1},
			"when what was printed before is lost": {but(follow, func(o *followed) { o.Past = false }).judge(), 2},
		}},
		{"A22", shell.judge(), 3, map[string]worth{
			"when it is another container":     {but(shell, func(o *shelled) { o.Hostname = "other" }).judge(), 2},
			"when failures are not passed on":  {but(shell, func(o *shelled) { o.Failed = false }).judge(), 2},
			"when what is typed does not come": {but(shell, func(o *shelled) { o.Echo = "" }).judge(), 2},
			"when there is no terminal":        {but(shell, func(o *shelled) { o.Terminal = "not a tty" }).judge(), 2},
		}},
	}
}

func accessJudgements() []judgement {
	command := cli{Nodes: 2, Completion: Ran{Stdout: "complete -F __start_naru naru"}}
	permit := permitted{Reads: true, Asked: true}
	admin := administered{Works: true, Emptied: true}
	all := map[string]bool{"requests.cpu": true, "requests.memory": true, "pods": true, "services": true}
	quota := quotas{Taken: all, Refused: all}
	between := ways{Open: []string{"before", "own project", "let in"}, Closed: []string{"other project"}}
	group := ways{Open: []string{"before", "let in"}, Closed: []string{"other group"}}
	single := ways{Open: []string{"before", "port", "neighbour"}, Closed: []string{"other port"}}
	in := ways{Open: []string{"before", "before, other port", "known address"}, Closed: []string{"unknown address", "other port"}}
	out := ways{Open: []string{"before", "before, other port", "address"}, Closed: []string{"other address", "other port"}}
	ignored := func(o ways) ways { o.Closed = nil; return o }
	shut := func(o ways) ways { o.Open = []string{"before", "before, other port"}; return o }
	return []judgement{
		{"A30", command.judge(), 0.5, map[string]worth{"when the kubeconfig does not work": {but(command, func(o *cli) { o.Nodes = 0 }).judge(), 0}}},
		{"A32", permit.judge(), 3, map[string]worth{
			"when everybody may do everything": {permitted{Reads: true, Asked: true, ReadsSecrets: true, Writes: true, Elsewhere: true, Stranger: true, After: true}.judge(), 0},
			"when a role reaches further":      {but(permit, func(o *permitted) { o.Elsewhere = true }).judge(), 2},
			"when a role can't be taken away":  {but(permit, func(o *permitted) { o.After = true }).judge(), 2},
			"when nobody may do anything":      {but(permit, func(o *permitted) { o.Reads = false }).judge(), 0},
		}},
		{"A33", admin.judge(), 1, map[string]worth{
			"when the administrator rules other projects": {but(admin, func(o *administered) { o.Elsewhere = true }).judge(), 0.5},
			"when something is left":                      {but(admin, func(o *administered) { o.Emptied = false }).judge(), 0.5},
		}},
		{"A35", quota.judge(), 2, map[string]worth{
			"when quotas are ignored":          {quotas{Taken: all}.judge(), 0},
			"when everything is refused":       {quotas{Refused: all}.judge(), 0},
			"when one resource is not limited": {quotas{Taken: all, Refused: map[string]bool{"requests.cpu": true, "requests.memory": true, "pods": true}}.judge(), 1.5},
		}},
		{"A37", between.projects(), 2, map[string]worth{"when policies are ignored": {ignored(between).projects(), 0}, "when nobody is let in": {shut(between).projects(), 0}}},
		{"A38", group.groups(), 2, map[string]worth{"when policies are ignored": {ignored(group).groups(), 0}, "when nobody is let in": {shut(group).groups(), 1}}},
		{"A39", single.one(), 2, map[string]worth{"when policies are ignored": {ignored(single).one(), 0}, "when neighbours are closed, too": {shut(single).one(), 0}}},
		{"A40", in.inbound(), 2, map[string]worth{"when policies are ignored": {ignored(in).inbound(), 0}, "when nobody is let in": {shut(in).inbound(), 0}}},
		{"A41", out.outbound(), 2, map[string]worth{"when policies are ignored": {ignored(out).outbound(), 0}, "when nothing is let out": {shut(out).outbound(), 0}}},
	}
}
