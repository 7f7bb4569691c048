package checks

import (
	"testing"
	"time"

	"naru.dev/naru/internal/probe"
	"naru.dev/naru/internal/scorecard"
)

// judgement is an observation's worth. broken are observations of a platform on which one thing does not work.
type judgement struct {
	row    string
	works  []scorecard.Claim
	points float64
	broken map[string]worth
}

type worth struct {
	claims []scorecard.Claim
	points float64
}

// but returns a copy of an observation with one thing changed.
func but[O any](o O, change func(*O)) O {
	change(&o)
	return o
}

func points(claims []scorecard.Claim) float64 {
	sum := 0.0
	for _, claim := range claims {
		if claim.Held {
			sum += claim.Points
		}
	}
	return sum
}

func TestJudge(t *testing.T) {
	var all []judgement
	for _, some := range []func() []judgement{platformJudgements, faultJudgements, sizeJudgements, deployJudgements, containerJudgements, accessJudgements, operationJudgements} {
		all = append(all, some()...)
	}
	for _, j := range all {
		t.Run(j.row+"/when it works, it has its points", func(t *testing.T) {
			if got := points(j.works); got != j.points {
				t.Errorf("got %g, want %g: %+v", got, j.points, j.works)
			}
		})
		for name, w := range j.broken {
			t.Run(j.row+"/"+name, func(t *testing.T) {
				if w.points >= j.points {
					t.Fatal("the broken platform is to have as many points as one that works")
				}
				if got := points(w.claims); got != w.points {
					t.Errorf("got %g, want %g: %+v", got, w.points, w.claims)
				}
			})
		}
	}
}

func done(command, stdout string) Ran { return Ran{Command: "naru " + command, Stdout: stdout} }

func platformJudgements() []judgement {
	machine := machineOS{Machine: "m", Reported: "Debian 12", Inside: "Debian 12\nrunning"}
	made := installed{Newest: "1.37", Version: "v1.37.1", Made: done("create cluster x", ""), Nodes: 2}
	applied := defined{Applied: done("apply", ""), Again: done("apply", ""), Nodes: 1, Before: "1", After: "1"}
	secret := apart{Secrets: 20, Bytes: 900, In: true, Out: true}
	rest := atRest{Read: true, Canary: "canary-1", Control: "k8s\x00canary-1", Stored: "k8s:enc:aesgcm:v1:key:\x01\x02\x03"}
	parameters := parametrised{ServiceIP: secondServiceIP, PodRange: "10.210.3.0/24", Changed: done("apply", ""), Nodes: 2}
	ok := "naru  a  ok  1s  \nprod  b  ok  1s  \n"
	verify := verified{Well: done("verify", ok+ok+ok+ok+ok), Broken: Ran{Command: "naru verify", Code: 1, Stdout: ok + "prod  DNS resolves  FAILED  30s  timed out\n"}}
	return []judgement{
		{"P01", machine.judge(), 0.5, map[string]worth{
			"when the machine has another OS than is said": {but(machine, func(o *machineOS) { o.Inside = "Alpine\nrunning" }).judge(), 0},
			"when its kubelet does not run":                {but(machine, func(o *machineOS) { o.Inside = "Debian 12" }).judge(), 0},
		}},
		{"P04", made.judge(), 3, map[string]worth{
			"when an older version is installed":   {but(made, func(o *installed) { o.Version = "v1.36.4" }).judge(), 2},
			"when a machine runs no pod":           {but(made, func(o *installed) { o.Nodes = 1 }).judge(), 1},
			"when the command says that it failed": {but(made, func(o *installed) { o.Made.Code = 3 }).judge(), 2},
		}},
		{"P05", applied.judge(), 2, map[string]worth{
			"when the node group is not made":         {but(applied, func(o *defined) { o.Nodes = 0 }).judge(), 1},
			"when applying again changes the cluster": {but(applied, func(o *defined) { o.After = "2" }).judge(), 1},
			"when applying fails":                     {but(applied, func(o *defined) { o.Applied.Code, o.Again.Code = 1, 1 }).judge(), 0},
		}},
		{"P06", secret.judge(), 2, map[string]worth{
			"when the definition holds a key":     {but(secret, func(o *apart) { o.Found = []string{"sa/tls.key"} }).judge(), 1},
			"when there is no Secret to look for": {but(secret, func(o *apart) { o.Secrets = 0 }).judge(), 1},
			"when anybody gets in":                {but(secret, func(o *apart) { o.Out = false }).judge(), 1},
			"when the credentials do not let in":  {but(secret, func(o *apart) { o.In = false }).judge(), 1},
			"when no definition could be read":    {but(secret, func(o *apart) { o.Bytes = 0 }).judge(), 1},
		}},
		{"P07", rest.judge(), 1, map[string]worth{
			"when etcd holds the value itself":          {but(rest, func(o *atRest) { o.Stored = "k8s\x00 data value canary-1 Opaque" }).judge(), 0},
			"when the look into etcd shows nothing":     {but(rest, func(o *atRest) { o.Stored = "" }).judge(), 0},
			"when the look is into something else":      {but(rest, func(o *atRest) { o.Control = "" }).judge(), 0},
			"when the API does not give the value back": {but(rest, func(o *atRest) { o.Read = false }).judge(), 0},
		}},
		{"P08", parameters.judge(), 2, map[string]worth{
			"when parameters are ignored":             {but(parameters, func(o *parametrised) { o.ServiceIP = "10.96.0.1" }).judge(), 1},
			"when the changed manifest has no effect": {but(parameters, func(o *parametrised) { o.Nodes = 1 }).judge(), 1},
		}},
		{"P11", verify.judge(), 2, map[string]worth{
			"when verify finds no fault in a broken cluster": {but(verify, func(o *verified) { o.Broken = o.Well }).judge(), 1},
			"when verify fails on a cluster that is well":    {but(verify, func(o *verified) { o.Well.Code = 1 }).judge(), 1},
			"when verify checks next to nothing":             {but(verify, func(o *verified) { o.Well.Stdout = ok }).judge(), 1},
			"when it finds another fault than the one there is": {but(verify, func(o *verified) {
				o.Broken.Stdout = "naru  registry answers  FAILED  1s  refused\n"
			}).judge(), 1},
		}},
		{"P32", hostUse{2, 2}.judge(), 1, map[string]worth{"when a machine is not measured": {hostUse{2, 1}.judge(), 0}}},
		{"P33", podUse{Node: "n", CPU: 0.2, Memory: 50 << 20}.placement(), 1, map[string]worth{
			"when the figures are too small to be its": {podUse{Node: "n", CPU: 0.001, Memory: 50 << 20}.placement(), 0}}},
		{"A26", podUse{Node: "n", CPU: 0.2, Memory: 50 << 20, Disk: 24 << 20}.resources(), 3, map[string]worth{
			"when its disk use is not known":   {podUse{Node: "n", CPU: 0.2, Memory: 50 << 20}.resources(), 2},
			"when its memory use is too small": {podUse{Node: "n", CPU: 0.2, Memory: 1 << 20, Disk: 24 << 20}.resources(), 1}}},
	}
}

func faultJudgements() []judgement {
	calm := probe.Report{Reads: 100, Writes: 100, LongestGap: time.Second}
	gap := probe.Report{Reads: 100, Writes: 100, LongestGap: 20 * time.Second}
	lost := probe.Report{Reads: 100, Writes: 100, Failures: []probe.Failure{{Kind: probe.Read, Err: probe.ErrLostWrite}}}
	master := masterLoss{Server: calm, Member: calm, Whole: true}
	served := seen{Replies: make([]reply, 100), Gap: 3 * time.Second}
	loss := machineLoss{Kubelet: true, Victim: "m", Operations: []string{"metrics-server-1"}, Served: served, Entered: served, Strength: true, Names: 60, Metrics: true, Replaced: true, Runs: true}
	store := storageLoss{Before: "before", During: "during", After: "during", Bound: true}
	return []judgement{
		{"P16", master.judge(), 3, map[string]worth{
			"when an acknowledged write is lost":        {but(master, func(o *masterLoss) { o.Server = lost }).judge(), 1.5},
			"when requests stop for longer":             {but(master, func(o *masterLoss) { o.Member = gap }).judge(), 2},
			"when the control plane does not come back": {but(master, func(o *masterLoss) { o.Whole = false }).judge(), 2.5},
			"when the probe asked nothing":              {but(master, func(o *masterLoss) { o.Server = probe.Report{} }).judge(), 1.5},
		}},
		{"P17", loss.worker(), 3, map[string]worth{
			"when the application is silent for long": {but(loss, func(o *machineLoss) { o.Served.Gap = time.Minute }).worker(), 1},
			"when its pods do not come back":          {but(loss, func(o *machineLoss) { o.Strength = false }).worker(), 2},
			"when next to nothing was asked":          {but(loss, func(o *machineLoss) { o.Served.Replies = nil }).worker(), 1},
		}},
		{"P18", loss.infra(), 1, map[string]worth{
			"when names are not resolved meanwhile":    {but(loss, func(o *machineLoss) { o.Unresolved = 30 }).infra(), 0},
			"when metrics do not come back":            {but(loss, func(o *machineLoss) { o.Metrics = false }).infra(), 0},
			"when nothing of the operations ran on it": {but(loss, func(o *machineLoss) { o.Operations = nil }).infra(), 0},
		}},
		{"P19", loss.router(), 1, map[string]worth{
			"when nobody gets in any more":   {but(loss, func(o *machineLoss) { o.Entered.Gap = time.Minute }).router(), 0},
			"when next to nothing was asked": {but(loss, func(o *machineLoss) { o.Entered.Replies = nil }).router(), 0},
		}},
		{"P20", store.judge(), 1, map[string]worth{
			"when volumes can't be written meanwhile": {but(store, func(o *storageLoss) { o.During = "" }).judge(), 0},
			"when no volume is made afterwards":       {but(store, func(o *storageLoss) { o.Bound = false }).judge(), 0},
		}},
		{"P21", loss.repair(), 2, map[string]worth{
			"when the kubelet stays dead":         {but(loss, func(o *machineLoss) { o.Kubelet = false }).repair(), 1.5},
			"when the machine is not replaced":    {but(loss, func(o *machineLoss) { o.Replaced = false }).repair(), 0.5},
			"when no pod runs on the new machine": {but(loss, func(o *machineLoss) { o.Runs = false }).repair(), 0.5},
		}},
	}
}

func sizeJudgements() []judgement {
	calm := probe.Report{Reads: 100, Writes: 100, LongestGap: time.Second}
	lost := probe.Report{Reads: 100, Writes: 100, Failures: []probe.Failure{{Kind: probe.Read, Err: probe.ErrLostWrite}}}
	size := resized{Up: resizedTo{Servers: 3, Members: 3}, Down: resizedTo{Servers: 1, Members: 1}, Probe: calm}
	group := pool{First: 1, Grown: 2, Shrunk: 1, Gone: true, Hosted: "n", Kept: true}
	disk := volumes{Volume: "v", Class: "c", Kept: volumeContent, Reclaimed: true, Enforced: true}
	return []judgement{
		{"P23", size.judge(), 1, map[string]worth{
			"when a member is missing":        {but(size, func(o *resized) { o.Up.Members = 2 }).judge(), 0.5},
			"when it does not become smaller": {but(size, func(o *resized) { o.Down.Servers = 3 }).judge(), 0.5},
			"when a write is lost":            {but(size, func(o *resized) { o.Probe = lost }).judge(), 0},
		}},
		{"P24", group.workers(), 2, map[string]worth{
			"when the second node does not come": {but(group, func(o *pool) { o.Grown = 1 }).workers(), 0},
			"when nodes do not go":               {but(group, func(o *pool) { o.Shrunk = 2 }).workers(), 1},
			"when no pod runs on them":           {but(group, func(o *pool) { o.Hosted = "" }).workers(), 1},
		}},
		{"P25", group.infra(), 1, map[string]worth{
			"when other pods get onto them": {but(group, func(o *pool) { o.Kept = false }).infra(), 0},
			"when they do not go":           {but(group, func(o *pool) { o.Gone = false }).infra(), 0},
		}},
		{"P31", disk.judge(), 4, map[string]worth{
			"when the data is gone with the pod":    {but(disk, func(o *volumes) { o.Kept = "" }).judge(), 2.5},
			"when the volume stays":                 {but(disk, func(o *volumes) { o.Reclaimed = false }).judge(), 2.5},
			"when more is written than was claimed": {but(disk, func(o *volumes) { o.Enforced = false }).judge(), 3},
		}},
	}
}
