//go:build e2e

// Package e2e runs scenarios against a real platform, as a user works with one.
//
//	make e2e                                               # all of it; RUN=app: one scenario
//	NARU_E2E_PLATFORM=running go test -tags e2e ./test/e2e -run 'TestE2E/app' -v
//
// The platform has a state folder of its own. One that is running on this machine is stopped
// first, without loss, and brought back afterwards. With NARU_E2E_PLATFORM=running the scenarios
// use the running platform and leave their clusters there, so that one scenario can be tried again
// and again; those that stop the platform then say that they can't run.
package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"naru.dev/naru/internal/standalone/daemon"
	"naru.dev/naru/internal/standalone/layout"
	"naru.dev/naru/test/naru"
)

const (
	platformVariable = "NARU_E2E_PLATFORM"
	platformRunning  = "running"
	// stateDir is the state folder of the platform under test.
	stateDir = "/var/lib/naru-e2e"
	// apartVariable, set to anything, has the scenarios run that are no part of make test.
	apartVariable = "NARU_E2E_APART"
)

// scenario is one story. Scenarios run in order and share the platform and two clusters, but each
// can also be run alone.
type scenario struct {
	name string
	run  func(*testing.T, *world)
	// ownsPlatform: it stops the platform, which a running one must not suffer.
	ownsPlatform bool
	// apart: it is run when apartVariable asks for it only.
	apart bool
}

func scenarios() []scenario {
	return []scenario{
		{name: "up-refused", run: testUpRefused, ownsPlatform: true},
		{name: "up", run: testUp},
		{name: "create", run: testCreate},
		{name: "bad-input", run: testBadInput},
		{name: "isolation", run: testIsolation},
		{name: "app", run: testApplication},
		{name: "scale", run: testScale},
		{name: "eks", run: testEKS},
		{name: "clients", run: testClients},
		{name: "repair", run: testRepair},
		{name: "faults", run: testFaults},
		{name: "renewal", run: testRenewal},
		{name: "rotation", run: testRotation},
		// Apart, because it needs programs that Naru can't fetch.
		{name: "terraform", run: testTerraform, apart: true},
		{name: "replicas", run: testReplicas},
		{name: "crash", run: testCrash, ownsPlatform: true},
		{name: "delete", run: testDelete},
		{name: "down", run: testDown, ownsPlatform: true},
		{name: "hosts", run: testHosts, ownsPlatform: true},
	}
}

func TestE2E(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("the platform needs root: run as root, as with sudo")
	}
	cli, err := naru.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{cli: cli, clusters: map[string]*cluster{}, failed: map[string]bool{}}
	running := os.Getenv(platformVariable) == platformRunning
	if !running {
		takeMachine(t, w)
	}
	var times strings.Builder
	for _, s := range scenarios() {
		if s.ownsPlatform && running {
			fmt.Fprintf(&times, "%-12s not run: it stops the platform, and %s=%s\n", s.name, platformVariable, platformRunning)
			continue
		}
		if s.apart && os.Getenv(apartVariable) == "" {
			fmt.Fprintf(&times, "%-12s not run: %s is not set\n", s.name, apartVariable)
			continue
		}
		begin, ran := time.Now(), false
		passed := t.Run(s.name, func(t *testing.T) {
			ran = true
			s.run(t, w)
		})
		if !ran {
			fmt.Fprintf(&times, "%-12s not run: -run does not name it\n", s.name)
			continue
		}
		fmt.Fprintf(&times, "%-12s %6.1fs  %s\n", s.name, time.Since(begin).Seconds(), map[bool]string{true: "ok", false: "FAILED"}[passed])
		if !passed {
			w.dump(t, s.name)
		}
	}
	// Not t.Log: the times are wanted of a run that passes, too.
	fmt.Printf("\n%s\n", times.String())
}

// takeMachine stops a running platform, which comes back when the test ends, and gives the
// platform under test a state folder that the test removes.
func takeMachine(t *testing.T, w *world) {
	t.Helper()
	state, err := layout.FindState("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Ask(t.Context(), state); err == nil && string(state) != stateDir {
		fmt.Printf("Naru is running: it is stopped for the tests (its clusters are kept) and started again afterwards\n")
		w.naru(t, "down")
		t.Cleanup(func() { cleanUp(t, w, string(state), "up") })
	}
	t.Setenv(layout.StateVariable, stateDir)
	// What an earlier run that was interrupted has left.
	w.naru(t, "down", "--purge")
	w.machine = takeFootprint(t)
	t.Cleanup(func() { cleanUp(t, w, stateDir, "down", "--purge") })
}

func cleanUp(t *testing.T, w *world, state string, args ...string) {
	t.Helper()
	// The test's own context has ended by now.
	if _, err := w.cli.Naru(context.Background(), append(args, "--state-dir", state)...); err != nil {
		t.Error(err)
	}
}

// dump prints what helps to understand a failed scenario. It never fails itself.
func (w *world) dump(t *testing.T, scenario string) {
	t.Helper()
	t.Logf("what the platform looks like after %s failed:", scenario)
	for _, args := range [][]string{
		{"get", "clusters,nodegroups,machines", "-A", "-o", "wide"},
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "events", "-A", "--field-selector", "type=Warning", "--sort-by", "lastTimestamp"},
	} {
		result, err := w.cli.Kubectl(t.Context(), naru.Hosting, args...)
		if err != nil {
			t.Log(err)
			return
		}
		t.Logf("$ %s\n%s", result.Command, tail(result.Stdout, 60))
	}
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
