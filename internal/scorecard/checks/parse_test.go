package checks

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/probe"
)

func TestParseAnswers(t *testing.T) {
	got := parseAnswers("10.00 Hello from a, version 1, on node old\n10.10 Hello from a, version 1, on node old\n10.20 FAILED\n" +
		"half a li\n12.60 Hello from b, version 2, on node new\n12.70 Hello from a, version 1, on node old\n15.70 FAILED\n")
	want := seen{
		Replies: []reply{{"a", "old"}, {"a", "old"}, {"b", "new"}, {"a", "old"}}, Failed: 2, Order: []string{"old", "new", "old"},
		Gap: 3 * time.Second, // that at the end, during which nothing was answered
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseUsages(t *testing.T) {
	got := parseUsages([]byte(`{"items":[{"metadata":{"name":"n"},"usage":{"cpu":"250m","memory":"64Mi"}},
		{"metadata":{"name":"p"},"containers":[{"usage":{"cpu":"100m","memory":"1Mi"}},{"usage":{"cpu":"1","memory":"2Mi"}}]}]}`))
	want := map[string]usage{"n": {0.25, 64 << 20}, "p": {1.1, 3 << 20}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseDisk(t *testing.T) {
	data := []byte(`{"pods":[{"podRef":{"name":"busy","namespace":"other"},"ephemeral-storage":{"usedBytes":1}},
		{"podRef":{"name":"busy","namespace":"mine"},"ephemeral-storage":{"usedBytes":4096}}]}`)
	if got := parseDisk(data, "mine", "busy"); got != 4096 {
		t.Errorf("got %d", got)
	}
}

func TestParseCPU(t *testing.T) {
	got, err := parseCPU("Terminated\nreal 4.00\nuser 0.30\nsys 0.10\n")
	if err != nil || got != 0.1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseCPU("sh: time: not found"); err == nil {
		t.Error("when the time can't be read, it is an error")
	}
}

func TestSearch(t *testing.T) {
	key := []byte("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----\n")
	secrets := []corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Name: "sa"}, Data: map[string][]byte{
		"tls.key": key, "tls.crt": []byte("-----BEGIN CERTIFICATE-----\n"), "short": []byte("yes"),
	}}}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"when nothing of it is there, nothing is found": {"kind: Cluster\n", nil},
		"when a key is there as it is, it is found":     {"key: |\n" + string(key), []string{"sa/tls.key"}},
		"when a key is there in base64, it is found":    {"key: " + base64.StdEncoding.EncodeToString(key), []string{"sa/tls.key"}},
		"when a certificate is there, it is no secret":  {"-----BEGIN CERTIFICATE-----\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			looked, found := search(c.text, secrets)
			if diff := cmp.Diff(c.want, found); diff != "" || looked != 1 {
				t.Errorf("looked for %d\n%s", looked, diff)
			}
		})
	}
}

func TestDigestIn(t *testing.T) {
	listed := `[{"reference": "r/app:1", "digest": "sha256:one", "size": 1}, {"reference": "r/app:2", "digest": "sha256:two", "size": 1}]`
	if got := digestIn(listed, "r/app:2"); got != "sha256:two" {
		t.Errorf("got %q", got)
	}
	if got := digestIn(listed, "r/app:3"); got != "" {
		t.Errorf("when it is not listed, it has no digest; got %q", got)
	}
}

func TestNewest(t *testing.T) {
	if got := newest("release.naru.dev/1.9\nrelease.naru.dev/1.37\nrelease.naru.dev/1.36\n"); got != "1.37" {
		t.Errorf("got %q", got)
	}
}

func TestNewcomer(t *testing.T) {
	nodes := func(names ...string) (all []corev1.Node) {
		for _, name := range names {
			all = append(all, *node(name))
		}
		return all
	}
	for name, c := range map[string]struct {
		now  []corev1.Node
		want string
	}{
		"when another took its place, it is that":     {nodes("b", "c"), "c"},
		"when it is gone and none has come, it waits": {nodes("b"), ""},
		"when it is still there, it waits":            {nodes("a", "b"), ""},
		"when both are there, it waits":               {nodes("a", "b", "c"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newcomer(nodes("a", "b"), c.now, "a")
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestFailuresOf(t *testing.T) {
	report := probe.Report{}
	if got := failuresOf(report); got != "" {
		t.Errorf("when nothing failed, it says nothing; got %q", got)
	}
	for range mostFailures + 2 {
		report.Failures = append(report.Failures, probe.Failure{Kind: probe.Write, After: 2 * time.Second, Took: time.Second, Connection: "fresh", Err: probe.ErrLostWrite})
	}
	got := failuresOf(report)
	if !strings.Contains(got, report.Failures[0].String()) || !strings.HasSuffix(got, "and 2 more") {
		t.Errorf("when many failed, it names some; got %q", got)
	}
}
