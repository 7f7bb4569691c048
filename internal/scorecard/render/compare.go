package render

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"naru.dev/naru/internal/scorecard"
)

// Compared are the formats of a comparison.
var Compared = []string{string(Table), string(JSON), string(HTML), string(Markdown)}

// Comparison writes two reports side by side. Errors: one when the format has no comparison.
func Comparison(w io.Writer, reports [2]*scorecard.Report, format Format, language scorecard.Language) error {
	c := comparison{a: reports[0], b: reports[1], words: wordsIn(language), language: language}
	switch format {
	case Table:
		return c.table(w)
	case JSON:
		return c.json(w)
	case Markdown:
		return c.markdown(w)
	case HTML:
		return execute(w, comparePage, newPair(reports, language))
	case Workbook:
	}
	return fmt.Errorf("-o %s can't be for a comparison: choose one of %s", format, strings.Join(Compared, ", "))
}

type comparison struct {
	a, b     *scorecard.Report
	words    words
	language scorecard.Language
}

// line is a row of a comparison, as texts.
type line struct{ id, name, a, b, change string }

func (c comparison) lines() []line {
	points := func(r *scorecard.Result) string {
		if r == nil {
			return c.words.NA
		}
		return number(r.Points)
	}
	var all []line
	for _, d := range scorecard.Compare(c.a, c.b) {
		l := line{id: d.Row.ID, name: d.Row.Name.In(c.language), a: points(d.A), b: points(d.B)}
		if change, known := d.Change(); known && change != 0 {
			l.change = signed(change)
		}
		all = append(all, l)
	}
	for _, part := range scorecard.Parts {
		a, b := c.a.OfPart(part), c.b.OfPart(part)
		l := line{name: c.words.Parts[part], a: fmt.Sprintf("%s / %d", number(a.Points), a.Of), b: fmt.Sprintf("%s / %d", number(b.Points), b.Of)}
		if a.Of == b.Of && a.Points != b.Points {
			l.change = signed(b.Points - a.Points)
		}
		all = append(all, l)
	}
	return all
}

func signed(points float64) string {
	if points > 0 {
		return "+" + number(points)
	}
	return "−" + number(-points)
}

// titles of the two reports.
func (c comparison) titles() (string, string) {
	title := func(r *scorecard.Report) string { return r.Target.Name + " " + r.Ended.UTC().Format("2006-01-02") }
	return title(c.a), title(c.b)
}

func (c comparison) table(w io.Writer) error {
	out := bufio.NewWriter(w)
	first, second := c.titles()
	lines := append([]line{{id: "", name: c.words.Item, a: first, b: second, change: c.words.Difference}}, c.lines()...)
	var widths [3]int
	for _, l := range lines {
		for i, s := range []string{l.name, l.a, l.b} {
			widths[i] = max(widths[i], columns(s))
		}
	}
	for _, l := range lines {
		text := fmt.Sprintf("%-3s  %s  %s  %s  %s", l.id, pad(l.name, widths[0]), pad(l.a, widths[1]), pad(l.b, widths[2]), l.change)
		fmt.Fprintln(out, strings.TrimRight(text, " "))
	}
	return out.Flush()
}

func (c comparison) markdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	first, second := c.titles()
	fmt.Fprintf(out, "| | %s | %s | %s | %s |\n|---|---|---:|---:|---:|\n", c.words.Item, cell(first), cell(second), c.words.Difference)
	for _, l := range c.lines() {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", l.id, cell(l.name), l.a, l.b, l.change)
	}
	return out.Flush()
}

func (c comparison) json(w io.Writer) error {
	type side struct {
		Points *float64          `json:"points"`
		Status *scorecard.Status `json:"status"`
	}
	type entry struct {
		Row    string   `json:"row"`
		A      side     `json:"a"`
		B      side     `json:"b"`
		Change *float64 `json:"change"`
	}
	of := func(r *scorecard.Result) side {
		if r == nil {
			return side{}
		}
		return side{&r.Points, &r.Status}
	}
	entries := []entry{}
	for _, d := range scorecard.Compare(c.a, c.b) {
		e := entry{Row: d.Row.ID, A: of(d.A), B: of(d.B)}
		if change, known := d.Change(); known {
			e.Change = &change
		}
		entries = append(entries, e)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"version": scorecard.Version, "rows": entries})
}
