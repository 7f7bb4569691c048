package render

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var page string

//go:embed compare.html
var comparePage string

//go:embed style.css
var style string

// html writes one page that needs nothing else.
func (v *view) html(w io.Writer) error { return execute(w, page, v) }

func execute(w io.Writer, page string, data any) error {
	functions := template.FuncMap{"number": number, "style": func() template.CSS { return template.CSS(style) }} //nolint:gosec // it is compiled in
	t, err := template.New("page").Funcs(functions).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	return t.Execute(w, data)
}

// The chart's measures, in its own units.
const (
	barHeight, barGap   = 14, 11
	labelWidth, barsEnd = 206, 456
	pointsAt            = 468
	chartWidth          = 560
	// markOver is by how much the mark of EKS stands out of a bar, below is how far its text stands above the bar's end.
	markOver, below = 2, 3
)

// Bar is one category in the chart. Its length is the part of the category's points that were got.
type Bar struct {
	Y, Middle, Top, Bottom int
	Width, Full, EKS       float64
	Title, Points          string
	EKSPoints              int
}

// Chart is the picture of a part.
type Chart struct {
	Width, Height, Left, Right, BarHeight int
	Bars                                  []Bar
}

// Chart draws the categories of a part.
func (p partView) Chart() Chart {
	full := float64(barsEnd - labelWidth)
	chart := Chart{Width: chartWidth, Left: labelWidth, Right: pointsAt, BarHeight: barHeight, Height: len(p.Categories)*(barHeight+barGap) + barGap}
	for i, category := range p.Categories {
		y := barGap + i*(barHeight+barGap)
		of := float64(category.Score.Of)
		chart.Bars = append(chart.Bars, Bar{
			Y: y, Middle: y + barHeight - below, Top: y - markOver, Bottom: y + barHeight + markOver,
			Full: full, Width: full * category.Score.Points / of, EKS: labelWidth + full*float64(category.Score.EKS)/of,
			Title: category.Title, Points: fmt.Sprintf("%s / %d", number(category.Score.Points), category.Score.Of), EKSPoints: category.Score.EKS,
		})
	}
	return chart
}
