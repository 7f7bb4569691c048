package policy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"
	"sigs.k8s.io/knftables"

	"naru.dev/naru/internal/node/agent/policy"
)

// TestApply walks from each case to the next, twice around and in both
// directions, in the kernel, and compares what the differences left behind with
// what the case makes of an empty table.
func TestApply(t *testing.T) {
	files := caseFiles(t)
	backwards := slices.Clone(files)
	slices.Reverse(backwards)
	walk := slices.Concat(files, files[:3], backwards, []string{files[0]})

	enterNewNamespace(t)
	applier := newApplier(t)
	fresh := map[string][]string{}
	for _, file := range files {
		if _, err := newApplier(t).Apply(t.Context(), policy.Compile(readCase(t, file))); err != nil {
			t.Fatalf("when %s is applied to an empty table, nft refuses: %v", file, err)
		}
		fresh[file] = listTable(t)
	}
	previous := "nothing"
	for _, file := range walk {
		if _, err := applier.Apply(t.Context(), policy.Compile(readCase(t, file))); err != nil {
			t.Fatalf("when going from %s to %s, nft refuses: %v", previous, file, err)
		}
		if diff := cmp.Diff(fresh[file], listTable(t)); diff != "" {
			t.Fatalf("when going from %s to %s, the table differs (-fresh +incremental):\n%s", previous, file, diff)
		}
		previous = file
	}
}

func TestApplySendsOnlyTheDifference(t *testing.T) {
	enterNewNamespace(t)
	applier := newApplier(t)
	in := readCase(t, "testdata/cases/policies-add-up.yaml")
	apply := func(in policy.Input) int {
		t.Helper()
		n, err := applier.Apply(t.Context(), policy.Compile(in))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	apply(in)
	if n := apply(in); n != 0 {
		t.Errorf("when nothing changed, it sends %d operations", n)
	}
	// A new peer in namespace y is one more element of one set.
	pod := in.Pods[len(in.Pods)-4].DeepCopy()
	if pod.Namespace != "y" {
		t.Fatalf("pod %s/%s is not in namespace y", pod.Namespace, pod.Name)
	}
	pod.Name, pod.Spec.NodeName, pod.Status.PodIPs[0].IP = "new", "node-2", "10.244.2.200"
	in.Pods = append(in.Pods, pod)
	if n := apply(in); n != 1 {
		t.Errorf("when a peer came, it sends %d operations, want 1", n)
	}
}

func TestVerify(t *testing.T) {
	enterNewNamespace(t)
	applier := newApplier(t)
	rules := policy.Compile(readCase(t, "testdata/cases/policies-add-up.yaml"))
	if _, err := applier.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	want := listTable(t)
	for _, damage := range []string{"delete table ip naru-policy", "flush ruleset", "add chain ip naru-policy stranger"} {
		if out, err := exec.Command("nft", damage).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v: %s", damage, err, out)
		}
		if err := applier.Verify(t.Context()); err != nil {
			t.Fatalf("when someone ran %q: %v", damage, err)
		}
		if _, err := applier.Apply(t.Context(), rules); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, listTable(t)); diff != "" {
			t.Errorf("when someone ran %q, it does not repair the table (-want +got):\n%s", damage, diff)
		}
	}
}

func newApplier(t *testing.T) *policy.Applier {
	t.Helper()
	nft, err := knftables.New(knftables.IPv4Family, policy.Table)
	if err != nil {
		t.Fatal(err)
	}
	return policy.NewApplier(nft)
}

// enterNewNamespace gives the test's thread an empty network namespace; the
// thread stays locked and ends with the test.
func enterNewNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	runtime.LockOSThread()
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("making a network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
	})
}

// listTable returns the table's objects without handles, in a fixed order.
func listTable(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("nft", "--json", "list", "table", "ip", policy.Table).Output()
	if err != nil {
		t.Fatalf("listing the table: %v", err)
	}
	var list struct {
		Objects []map[string]map[string]any `json:"nftables"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	perChain := map[string]int{}
	var lines []string
	for _, o := range list.Objects {
		for kind, value := range o {
			delete(value, "handle")
			line, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			prefix := kind
			if kind == "rule" { // Their order counts.
				chain, _ := value["chain"].(string)
				perChain[chain]++
				prefix = filepath.Join(kind, chain, strings.Repeat("+", perChain[chain]))
			}
			lines = append(lines, prefix+" "+string(line))
		}
	}
	slices.Sort(lines)
	return lines
}
