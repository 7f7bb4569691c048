package scorecard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "state.json")
	open := func() *State {
		t.Helper()
		s, err := OpenState(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cluster, namespace := Leftover{Kind: LeftCluster, Name: "eval-1"}, Leftover{Kind: LeftNamespace, Name: "naru-eval-a02", Where: "prod"}
	var resume *ResumeError
	if _, _, err := open().Resume("Naru"); !errors.As(err, &resume) {
		t.Errorf("when no run was interrupted, there is nothing to go on with; got %v", err)
	}
	s := open()
	for _, err := range []error{s.Begin("Naru", now), s.Leave(cluster), s.Leave(namespace), s.Leave(cluster), s.Keep(Result{Row: "P04", Points: 3}), s.Cleared(namespace)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open() // as after a crash
	results, began, err := s.Resume("Naru")
	if err != nil || !began.Equal(now) || len(results) != 1 || results[0].Row != "P04" {
		t.Errorf("when a run was interrupted, it is gone on with; got %v, %v, %v", results, began, err)
	}
	if diff := cmp.Diff([]Leftover{cluster}, s.Leftovers()); diff != "" {
		t.Errorf("when a run has crashed, it is known what it has left:\n%s", diff)
	}
	if _, _, err := s.Resume("the cluster at https://other"); !errors.As(err, &resume) {
		t.Errorf("when the run was of another subject, it is refused; got %v", err)
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if len(open().Leftovers()) != 1 {
		t.Error("when something is left at the end, it is not forgotten")
	}
	if err := errors.Join(s.Cleared(cluster), s.End()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("when nothing is left at the end, the file goes; got %v", err)
	}
}

func TestStateOfAnotherNaru(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(`{"version":"naru.dev/scorecard/v9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var other *StateError
	if _, err := OpenState(path); !errors.As(err, &other) || !strings.Contains(err.Error(), "--state") {
		t.Errorf("got %v", err)
	}
}

func TestReadReport(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"when it is of another version, it says both": {`{"version":"naru.dev/scorecard/v2"}`, `its version is "naru.dev/scorecard/v2", this naru reads "naru.dev/scorecard/v1"`},
		"when it is something else, it says so":       {`{"kind":"List"}`, "it is no report of naru evaluate"},
		"when it is no JSON, it says so":              {`<html>`, "it is no JSON"},
		"when it answers a row that does not exist":   {`{"version":"naru.dev/scorecard/v1","results":[{"row":"P99"}]}`, `row "P99", which does not exist`},
		"when it has more points than a row gives":    {`{"version":"naru.dev/scorecard/v1","results":[{"row":"P01","points":5}]}`, `5 points in row "P01", which gives 1`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "report.json")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadReport(path)
			var form *FormError
			if !errors.As(err, &form) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestScore(t *testing.T) {
	r := &Report{Results: []Result{{Row: "P22", Points: 2.5}, {Row: "P01", Points: 0.5}, {Row: "A30", Points: 1}}}
	if diff := cmp.Diff(Score{Points: 2.5, Of: 5, EKS: 1, Complete: true}, r.OfCategory("backup")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Score{Points: 3, Of: 6, EKS: 2}, r.OfPart(Platform)); diff != "" {
		t.Errorf("when rows were not asked, they count neither way:\n%s", diff)
	}
}

func TestCompare(t *testing.T) {
	a := &Report{Results: []Result{{Row: "P04", Points: 1}, {Row: "P05", Points: 2}}}
	b := &Report{Results: []Result{{Row: "P04", Points: 3}, {Row: "A02", Points: 5}}}
	got := map[string]any{}
	for _, d := range Compare(a, b) {
		if change, known := d.Change(); known {
			got[d.Row.ID] = change
		} else {
			got[d.Row.ID] = "unknown"
		}
	}
	if diff := cmp.Diff(map[string]any{"P04": 2.0, "P05": "unknown", "A02": "unknown"}, got); diff != "" {
		t.Error(diff)
	}
}
