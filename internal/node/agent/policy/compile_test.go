package policy_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"naru.dev/naru/internal/node/agent/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestCompile compares the nft script of each testdata/cases/*.yaml, on the
// cluster of testdata/cluster.yaml (that of Kubernetes' own network policy
// tests), with the .nft file beside it. The first line of a case says why it is
// there.
func TestCompile(t *testing.T) {
	for _, file := range caseFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			golden := strings.TrimSuffix(file, ".yaml") + ".nft"
			got := policy.Script(policy.Compile(readCase(t, file)))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", reason(t, file), diff)
			}
		})
	}
}

func TestCompileIgnoresOrder(t *testing.T) {
	for _, file := range caseFiles(t) {
		in := readCase(t, file)
		want := policy.Compile(in)
		slices.Reverse(in.Policies)
		slices.Reverse(in.Pods)
		slices.Reverse(in.Namespaces)
		if diff := cmp.Diff(want, policy.Compile(in)); diff != "" {
			t.Errorf("when the input of %s is reversed, the ruleset differs (-straight +reversed):\n%s", file, diff)
		}
	}
}

func TestCompileOwnNode(t *testing.T) {
	in := readCase(t, "testdata/cases/default-deny-all.yaml")
	if _, ok := policy.Compile(in).Chains["egress-own-node"]; ok {
		t.Error("when traffic to the own node is allowed, it is judged")
	}
	in.OwnNode = policy.OwnNodePolicy
	got := policy.Compile(in)
	if diff := cmp.Diff(got.Chains["egress"].Rules, got.Chains["egress-own-node"].Rules); diff != "" {
		t.Errorf("when traffic to the own node is judged, it is judged otherwise than the rest (-rest +own):\n%s", diff)
	}
}

func caseFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

func reason(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimPrefix(line, "# ")
}

func readCase(t *testing.T, file string) policy.Input {
	t.Helper()
	in := policy.Input{Node: "node-1", OwnNode: policy.OwnNodeAllow}
	for _, path := range []string{"testdata/cluster.yaml", file} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range bytes.SplitSeq(content, []byte("---\n")) {
			if !bytes.Contains(doc, []byte("kind:")) {
				continue
			}
			object, _, err := scheme.Codecs.UniversalDeserializer().Decode(doc, nil, nil)
			if err != nil {
				t.Fatalf("decoding %s: %v", path, err)
			}
			switch o := object.(type) {
			case *corev1.Namespace:
				in.Namespaces = append(in.Namespaces, o)
			case *corev1.Pod:
				in.Pods = append(in.Pods, o)
			case *networkingv1.NetworkPolicy:
				in.Policies = append(in.Policies, o)
			default:
				t.Fatalf("%s: a case cannot hold %T", path, o)
			}
		}
	}
	return in
}
