package render

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var page string

//go:embed style.css
var style string

// html writes one page that needs nothing else.
func (v *view) html(w io.Writer) error {
	functions := template.FuncMap{"number": number, "style": func() template.CSS { return template.CSS(style) }} //nolint:gosec // it is compiled in
	t, err := template.New("page").Funcs(functions).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	return t.Execute(w, v)
}

// The chart's measures, in its own units.
const (
	barHeight, barGap   = 16, 12
	labelWidth, barsEnd = 232, 660
	chartWidth          = 760
)

// Bar is one category in the chart. Its length is the part of the category's points that were got.
type Bar struct {
	Y, Middle        int
	Width, Full, EKS float64
	Title, Points    string
}

// Chart is the picture of a part.
type Chart struct {
	Width, Height, Left, BarHeight int
	Bars                           []Bar
}

// Chart draws the categories of a part.
func (p partView) Chart() Chart {
	full := float64(barsEnd - labelWidth)
	chart := Chart{Width: chartWidth, Left: labelWidth, BarHeight: barHeight, Height: len(p.Categories)*(barHeight+barGap) + barGap}
	for i, category := range p.Categories {
		y := barGap + i*(barHeight+barGap)
		of := float64(category.Score.Of)
		chart.Bars = append(chart.Bars, Bar{
			Y: y, Middle: y + barHeight - 4, Full: full, Width: full * category.Score.Points / of, EKS: labelWidth + full*float64(category.Score.EKS)/of,
			Title: category.Title, Points: fmt.Sprintf("%s / %d", number(category.Score.Points), category.Score.Of),
		})
	}
	return chart
}
