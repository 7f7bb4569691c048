package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"naru.dev/naru/internal/scorecard"
)

// What the clusters of the evaluation look like.
const (
	mainNodes = 2
	// The ranges of the second cluster are not the default ones, so that they show that they were asked for.
	secondPods, secondPodPrefix     = "10.210.0.0/16", "10.210."
	secondServices, secondServiceIP = "10.211.0.0/16", "10.211.0.1"
)

// CreateMain makes the highly available cluster that rows share, with one command and its defaults.
func (l *Lab) CreateMain(ctx context.Context) (*Cluster, bool, error) {
	name, err := l.Platform.name(l.Keeper)
	if err != nil {
		return nil, true, err
	}
	l.Platform.Made, err = l.Platform.Naru(ctx, "", "create", "cluster", name, "--nodes", strconv.Itoa(mainNodes), "--wait", "--timeout", "8m")
	if err != nil {
		return nil, true, err
	}
	cluster, err := l.Platform.Connect(ctx, name)
	return cluster, true, err
}

// definedCluster is the cluster that is made from a manifest.
type definedCluster struct {
	*Cluster
	manifest        string
	dryRun, applied Ran
}

// Second is a small cluster from a manifest, for rows that are about manifests or that change a control plane.
func (l *Lab) Second(ctx context.Context) (*definedCluster, error) {
	return l.second.get(func() (*definedCluster, error) {
		name, err := l.Platform.name(l.Keeper)
		if err != nil {
			return nil, err
		}
		d := &definedCluster{}
		d.dryRun, err = l.Platform.Naru(ctx, "", "create", "cluster", name, "--control-plane-replicas", "1", "--nodes", "1",
			"--pod-cidr", secondPods, "--service-cidr", secondServices, "--dry-run", "-o", "yaml")
		if err != nil {
			return nil, err
		}
		d.manifest = d.dryRun.Stdout
		if !strings.Contains(d.manifest, "kind: Cluster") {
			return nil, errors.New("naru create cluster --dry-run prints no manifest")
		}
		if d.applied, err = l.Platform.Naru(ctx, d.manifest, "apply", "-f", "-", "--wait", "--timeout", "8m"); err != nil {
			return nil, err
		}
		d.Cluster, err = l.Platform.Connect(ctx, name)
		return d, err
	})
}

// field reads a field of a JSON object; "" when it is not there.
func field(data []byte, path ...string) string {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return ""
	}
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = object[key]
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// newest is the highest minor version of names as release.naru.dev/1.37.
func newest(names string) string {
	best, bestMinor := "", -1
	for line := range strings.Lines(names) {
		name := strings.TrimSpace(line[strings.LastIndex(line, "/")+1:])
		_, after, _ := strings.Cut(name, ".")
		if minor, err := strconv.Atoi(after); err == nil && minor > bestMinor {
			best, bestMinor = name, minor
		}
	}
	return best
}

// text of what a claim's row still lacks, said alike in several rows.
func history(points float64, of scorecard.Text) scorecard.Claim {
	return missing(points, text("History and graphs of "+of.EN, of.KO+"의 이력과 그래프"))
}
