package render

import (
	"fmt"
	"strings"

	"naru.dev/naru/internal/scorecard"
)

// The markers between which a document shows the score.
const (
	readmeBegin = "<!-- score: written by `make scorecard` -->\n"
	readmeEnd   = "<!-- /score -->"
)

// Readme puts the score of a report, with its date and commit, between the markers of a text.
// Errors: one when the text has no markers, or the report does not answer all rows.
func Readme(text string, report *scorecard.Report) (string, error) {
	head, rest, found := strings.Cut(text, readmeBegin)
	_, tail, closed := strings.Cut(rest, readmeEnd)
	if !found || !closed {
		return "", fmt.Errorf("it has no markers %q and %q", strings.TrimSpace(readmeBegin), readmeEnd)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | Naru | Amazon EKS, October 2018 |\n|---|---:|---:|\n")
	for _, part := range scorecard.Parts {
		score := report.OfPart(part)
		if !score.Complete {
			return "", fmt.Errorf("the report does not answer all rows of the part %s", part)
		}
		fmt.Fprintf(&b, "| %s | %s / %d | %d |\n", english().Parts[part], number(score.Points), score.Of, score.EKS)
	}
	commit := report.Commit
	if commit == "" {
		commit = "unknown"
	}
	fmt.Fprintf(&b, "\nMeasured on %s, commit %s, in %.0f s.\n", report.Ended.UTC().Format("2006-01-02"), commit, report.Ended.Sub(report.Began).Seconds())
	return head + readmeBegin + b.String() + readmeEnd + tail, nil
}
