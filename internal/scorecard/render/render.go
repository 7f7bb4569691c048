// Package render writes reports: as a table for a terminal, as JSON, as one self-contained HTML page in the layout of
// the document that the table is from, as Markdown, and as a workbook. It is pure but for the writer.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"naru.dev/naru/internal/scorecard"
)

// Format is a value of -o.
type Format string

// The formats.
const (
	Table    Format = "table"
	JSON     Format = "json"
	HTML     Format = "html"
	Markdown Format = "md"
	Workbook Format = "xlsx"
)

// Formats are all formats, for help and completion.
var Formats = []string{string(Table), string(JSON), string(HTML), string(Markdown), string(Workbook)}

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) {
	if !slices.Contains(Formats, s) {
		return "", fmt.Errorf("-o %q can't be: choose one of %s", s, strings.Join(Formats, ", "))
	}
	return Format(s), nil
}

// Report writes a report.
func Report(w io.Writer, report *scorecard.Report, format Format, language scorecard.Language) error {
	v := newView(report, language)
	switch format {
	case JSON:
		return report.Write(w)
	case HTML:
		return v.html(w)
	case Markdown:
		return v.markdown(w)
	case Workbook:
		return v.workbook(w)
	case Table:
	}
	return v.table(w)
}

// view is a report, as it is shown in one language.
type view struct {
	*scorecard.Report
	Words words
	Lang  scorecard.Language
	Parts []partView
}

type partView struct {
	Part       scorecard.Part
	Name       string
	Score      scorecard.Score
	Categories []categoryView
}

type categoryView struct {
	scorecard.Category
	Title string
	Score scorecard.Score
	Rows  []rowView
}

type rowView struct {
	scorecard.Result
	Name, Question string
	Opinions       []opinion
}

// opinion is one line of what is said of a row.
type opinion struct {
	// Mark is ✓, ✗ or –.
	Mark, Text, Why string
}

// Class is the opinion's, for style sheets.
func (o opinion) Class() string {
	switch o.Mark {
	case held:
		return "held"
	case lacking:
		return "lacking"
	}
	return "none"
}

const (
	held    = "✓"
	lacking = "✗"
	silent  = "–"
)

func newView(report *scorecard.Report, language scorecard.Language) *view {
	v := &view{Report: report, Words: wordsIn(language), Lang: language}
	for _, part := range scorecard.Parts {
		pv := partView{Part: part, Name: v.Words.Parts[part], Score: report.OfPart(part)}
		for _, category := range scorecard.Table() {
			if category.Part != part {
				continue
			}
			cv := categoryView{Category: category, Title: category.Name.In(language), Score: report.OfCategory(category.ID)}
			for _, row := range category.Rows {
				if result, ok := report.Result(row.ID); ok {
					cv.Rows = append(cv.Rows, v.row(row, result))
				}
			}
			if len(cv.Rows) > 0 {
				pv.Categories = append(pv.Categories, cv)
			}
		}
		if len(pv.Categories) > 0 {
			v.Parts = append(v.Parts, pv)
		}
	}
	return v
}

func (v *view) row(row scorecard.Row, result scorecard.Result) rowView {
	r := rowView{Result: result, Name: row.Name.In(v.Lang), Question: row.Question.In(v.Lang)}
	for _, claim := range result.Claims {
		o := opinion{Mark: lacking, Text: claim.Text.In(v.Lang), Why: claim.Why}
		if claim.Held {
			o.Mark = held
		}
		if claim.Why == notBuilt {
			o.Why = v.Words.Status[scorecard.NotBuilt]
		}
		r.Opinions = append(r.Opinions, o)
	}
	if result.Error != "" {
		r.Opinions = append(r.Opinions, opinion{Mark: lacking, Text: v.Words.Error, Why: result.Error})
	}
	if len(r.Opinions) == 0 {
		r.Opinions = []opinion{{Mark: silent, Text: v.Words.Status[result.Status]}}
	}
	return r
}

// notBuilt is what claims say that were not tried, since the platform does not do it.
const notBuilt = "not built"

// Full tells whether a row has all its points.
func (r rowView) Full() bool { return r.Points == float64(r.Weight) }

// Level is how much of its points a row has, for style sheets: all, some or none, or untried.
func (r rowView) Level() string {
	switch {
	case r.Status != scorecard.Measured && r.Status != scorecard.Failed:
		return "untried"
	case r.Full():
		return "all"
	case r.Points > 0:
		return "some"
	}
	return "none"
}

// number writes points: 3, 1.5.
func number(points float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", points), "0"), ".")
}

// About says what was evaluated, when and by what, in one line.
func (v *view) About() string {
	parts := []string{v.Target.Name}
	if v.Target.Kubernetes != "" {
		parts = append(parts, "Kubernetes "+v.Target.Kubernetes)
	}
	parts = append(parts, v.Ended.UTC().Format("2006-01-02 15:04 UTC"), "naru "+v.Naru)
	if v.Commit != "" {
		parts = append(parts, v.Words.Commit+" "+v.Commit)
	}
	return strings.Join(append(parts, fmt.Sprintf("%s %.0f %s", v.Words.Took, v.Ended.Sub(v.Began).Seconds(), v.Words.Seconds)), " · ")
}
