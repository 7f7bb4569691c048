package scorecard

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Version is the version of the report's form. Another one is another form.
const Version = "naru.dev/scorecard/v1"

// Status is how a row's answer came about.
type Status string

// The states of a row.
const (
	// Measured: its check came to its end; its claims say what was seen.
	Measured Status = "measured"
	// Failed: its check ended in an error, a panic or not at all. Claims that were seen before count.
	Failed Status = "failed"
	// NotBuilt: the platform does not do that yet, so there is nothing to try.
	NotBuilt Status = "not-built"
	// NeedsPlatform: a kubeconfig alone can't prove it.
	NeedsPlatform Status = "needs-platform"
	// NotRun: it was not tried, since it is disruptive and that was not allowed.
	NotRun Status = "not-run"
)

// Result is the answer to one row.
type Result struct {
	Row    string  `json:"row"`
	Status Status  `json:"status"`
	Points float64 `json:"points"`
	Weight int     `json:"weight"`
	EKS    int     `json:"eks2018"`
	// Took is how long the check ran, in seconds.
	Took     float64   `json:"took,omitempty"`
	Began    time.Time `json:"began,omitzero"`
	Claims   []Claim   `json:"claims,omitempty"`
	Error    string    `json:"error,omitempty"`
	Evidence []Entry   `json:"evidence,omitempty"`
}

// Target is what was evaluated.
type Target struct {
	// Name is the platform's: "Naru", or the context of a kubeconfig.
	Name string `json:"name"`
	// Server is the address of the API that was asked, Kubernetes its version.
	Server     string `json:"server,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	// Cluster is the name of the cluster that rows share.
	Cluster string `json:"cluster,omitempty"`
}

// Report is what came of a run.
type Report struct {
	Version string    `json:"version"`
	Target  Target    `json:"target"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	// Naru and Commit say which naru evaluated; Commit is empty where the build does not know it.
	Naru    string   `json:"naru"`
	Commit  string   `json:"commit,omitempty"`
	Machine string   `json:"machine,omitempty"`
	Results []Result `json:"results"`
}

// Score is points of rows that were asked.
type Score struct {
	Points float64
	// Of are the most points that these rows give, EKS those of October 2018.
	Of, EKS int
	// Complete tells that all rows there are were asked.
	Complete bool
}

// Score sums the rows that match.
func (r *Report) Score(match func(Row) bool) Score {
	s := Score{Complete: true}
	for _, row := range Rows() {
		if !match(row) {
			continue
		}
		i := slices.IndexFunc(r.Results, func(result Result) bool { return result.Row == row.ID })
		if i < 0 {
			s.Complete = false
			continue
		}
		s.Points += r.Results[i].Points
		s.Of += row.Weight
		s.EKS += row.EKS
	}
	return s
}

// OfPart sums a part.
func (r *Report) OfPart(part Part) Score {
	return r.Score(func(row Row) bool { return row.Part == part })
}

// OfCategory sums a category.
func (r *Report) OfCategory(id string) Score {
	return r.Score(func(row Row) bool { return row.Category == id })
}

// Result returns the answer to a row.
func (r *Report) Result(id string) (Result, bool) {
	for _, result := range r.Results {
		if result.Row == id {
			return result, true
		}
	}
	return Result{}, false
}

// Write writes the report as JSON.
func (r *Report) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// ReadReport reads a report that `-o json` has written. Errors: *FormError.
func ReadReport(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	return decode(path, data)
}

func decode(path string, data []byte) (*Report, error) {
	var head struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, &FormError{Path: path, Problem: fmt.Sprintf("it is no JSON (%v)", err)}
	}
	if head.Version != Version {
		problem := fmt.Sprintf("its version is %q, this naru reads %q", head.Version, Version)
		if head.Version == "" {
			problem = "it has no version, so it is no report of naru evaluate"
		}
		return nil, &FormError{Path: path, Problem: problem}
	}
	report := &Report{}
	if err := json.Unmarshal(data, report); err != nil {
		return nil, &FormError{Path: path, Problem: err.Error()}
	}
	for _, result := range report.Results {
		rows, err := Select([]string{result.Row}, nil)
		if err != nil || rows[0].ID != result.Row {
			return nil, &FormError{Path: path, Problem: fmt.Sprintf("it answers row %q, which does not exist", result.Row)}
		}
		if result.Points < 0 || result.Points > float64(rows[0].Weight) {
			return nil, &FormError{Path: path, Problem: fmt.Sprintf("it has %g points in row %q, which gives %d", result.Points, result.Row, rows[0].Weight)}
		}
	}
	return report, nil
}

// FormError says that a file is no report that can be read.
type FormError struct{ Path, Problem string }

func (e *FormError) Error() string {
	return fmt.Sprintf(`%s can't be read as a report: %s; write one with "naru evaluate -o json"`, e.Path, e.Problem)
}
