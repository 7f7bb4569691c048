package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"naru.dev/naru/internal/scorecard"
	"naru.dev/naru/test/golden"
)

// sample is a report with every kind of answer.
func sample() *scorecard.Report {
	began := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	return &scorecard.Report{
		Version: scorecard.Version, Began: began, Ended: began.Add(12 * time.Minute), Naru: "0.1.0", Commit: "abc1234",
		Target: scorecard.Target{Name: "Naru", Cluster: "eval-1", Kubernetes: "v1.37.1"},
		Results: []scorecard.Result{
			{Row: "P04", Status: scorecard.Measured, Points: 3, Weight: 3, EKS: 3, Took: 88.4,
				Claims:   []scorecard.Claim{{Points: 3, Held: true, Text: scorecard.Text{EN: "It is installed", KO: "설치된다"}, Why: "in 88.0s"}},
				Evidence: []scorecard.Entry{{At: 0.1, Did: "naru create cluster eval-1", Saw: "exit code 0\nCluster \"eval-1\" is ready."}}},
			{Row: "P07", Status: scorecard.Measured, Points: 1, Weight: 2, EKS: 2, Took: 2, Claims: []scorecard.Claim{
				{Points: 1, Held: true, Text: scorecard.Text{EN: "Secrets are encrypted", KO: "암호화된다"}},
				{Points: 1, Text: scorecard.Text{EN: "Rotation of keys", KO: "키 교체"}, Why: "not built"}}},
			{Row: "P12", Status: scorecard.NotBuilt, Weight: 4, EKS: 2},
			{Row: "P16", Status: scorecard.NotRun, Weight: 3, EKS: 3},
			{Row: "P22", Status: scorecard.NeedsPlatform, Weight: 5, EKS: 1},
			{Row: "A04", Status: scorecard.Failed, Points: 0.5, Weight: 1, EKS: 1, Took: 31,
				Claims: []scorecard.Claim{{Points: 0.5, Held: true, Text: scorecard.Text{EN: "Pods are replaced", KO: "파드가 교체된다"}},
					{Points: 0.5, Text: scorecard.Text{EN: "No request fails", KO: "실패가 없다"}, Why: "3 of 90 failed"}},
				Error: "awaiting <b>deployment</b> | app:\nnot ready", Evidence: []scorecard.Entry{{At: 3, Did: "```\nget pods", Saw: "<script>alert(1)</script>"}}},
		},
	}
}

func TestReports(t *testing.T) {
	for _, language := range []scorecard.Language{scorecard.English, scorecard.Korean} {
		for _, format := range []Format{Table, HTML, Markdown, JSON} {
			t.Run(string(language)+" "+string(format), func(t *testing.T) {
				var got bytes.Buffer
				if err := Report(&got, sample(), format, language); err != nil {
					t.Fatal(err)
				}
				golden.Compare(t, string(language)+"."+string(format), got.Bytes())
			})
		}
	}
}

func TestHTMLNeedsNothingElse(t *testing.T) {
	var got bytes.Buffer
	if err := Report(&got, sample(), HTML, scorecard.Korean); err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"src=", "href=", "@import", "url(", "<script", "http://", "https://"} {
		if strings.Contains(got.String(), no) {
			t.Errorf("it contains %q", no)
		}
	}
	for _, head := range []string{"구분", "항목", "설명", "배점", "가중치", "평가결과", "평가의견", "<svg", "<details>", "prefers-color-scheme", "@media print"} {
		if !strings.Contains(got.String(), head) {
			t.Errorf("it does not contain %q", head)
		}
	}
}

func TestWorkbook(t *testing.T) {
	var got bytes.Buffer
	if err := Report(&got, sample(), Workbook, scorecard.Korean); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&got)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if diff := cmp.Diff([]string{"점수", "플랫폼", "어플리케이션"}, book.GetSheetList()); diff != "" {
		t.Error(diff)
	}
	rows, err := book.GetRows("플랫폼")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"구분", "ID", "항목", "설명", "배점", "가중치", "EKS 2018", "평가결과", "평가의견", "증거"},
		{"설치/변경", "P04", "플랫폼 설치", "플랫폼 최초 설치 (플랫폼 권장하는 버전으로) 되는가", "20", "3", "3", "3", "✓ 설치된다 (in 88.0s)",
			"0.1 naru create cluster eval-1\n→ exit code 0\nCluster \"eval-1\" is ready."},
	}
	if diff := cmp.Diff(want, rows[:2]); diff != "" {
		t.Error(diff)
	}
	if sum, err := book.GetRows("점수"); err != nil || !cmp.Equal(sum[len(sum)-1], []string{"어플리케이션", "1", "1", "0.5"}) {
		t.Errorf("the last sum is %v, %v", sum[len(sum)-1], err)
	}
}

func TestComparison(t *testing.T) {
	other := sample()
	other.Target.Name, other.Results = "Other", other.Results[:2]
	other.Results[0].Points = 1
	for _, format := range []Format{Table, Markdown, JSON, HTML} {
		var got bytes.Buffer
		if err := Comparison(&got, [2]*scorecard.Report{sample(), other}, format, scorecard.Korean); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "compare."+string(format), got.Bytes())
	}
	if err := Comparison(&bytes.Buffer{}, [2]*scorecard.Report{sample(), other}, Workbook, scorecard.Korean); err == nil {
		t.Error("when a comparison has no such format, it says so")
	}
}

func TestReadme(t *testing.T) {
	all := sample()
	for _, row := range scorecard.Rows() {
		if _, ok := all.Result(row.ID); !ok {
			all.Results = append(all.Results, scorecard.Result{Row: row.ID, Weight: row.Weight, EKS: row.EKS})
		}
	}
	text := "# Naru\n\n" + readmeBegin + "old\n" + readmeEnd + "\n\nmore\n"
	got, err := Readme(text, all)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Naru\n\n" + readmeBegin + "| | Naru | Amazon EKS, October 2018 |\n|---|---:|---:|\n| Platform | 4 / 100 | 58 |\n| Application | 0.5 / 100 | 61 |\n\n" +
		"Measured on 2026-11-24, commit abc1234, in 720 s.\n" + readmeEnd + "\n\nmore\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again, err := Readme(got, all); err != nil || again != got {
		t.Errorf("when it is written again, it is the same; got %v\n%s", err, again)
	}
	if _, err := Readme("# Naru\n", all); err == nil {
		t.Error("when there are no markers, it says so")
	}
	if _, err := Readme(text, sample()); err == nil {
		t.Error("when not all rows are answered, there is no score to show")
	}
}
