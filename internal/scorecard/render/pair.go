package render

import (
	"fmt"

	"naru.dev/naru/internal/scorecard"
)

// pair is two reports side by side, as their page shows them.
type pair struct {
	Words  words
	Lang   scorecard.Language
	Titles [2]string
	Abouts [2]string
	Parts  []pairPart
}

type pairPart struct {
	Name   string
	Scores [2]scorecard.Score
	// Change is of the whole part; empty where the two do not answer the same rows.
	Change     string
	Categories []pairCategory
}

type pairCategory struct {
	Title string
	Rows  []pairRow
}

// pairRow is a row in both reports; a side that does not answer it is nil.
type pairRow struct {
	ID, Name    string
	Weight, EKS int
	Sides       [2]*rowView
	// Change is how many points the second has more, with its sign; empty where it is none, or one does not answer.
	Change string
	// Class is up, down or empty.
	Class string
}

func newPair(reports [2]*scorecard.Report, language scorecard.Language) pair {
	views := [2]*view{newView(reports[0], language), newView(reports[1], language)}
	p := pair{Words: wordsIn(language), Lang: language}
	p.Titles[0], p.Titles[1] = comparison{a: reports[0], b: reports[1]}.titles()
	p.Abouts = [2]string{views[0].About(), views[1].About()}
	lines := map[string][]pairRow{}
	for _, d := range scorecard.Compare(reports[0], reports[1]) {
		lines[d.Row.Category] = append(lines[d.Row.Category], newPairRow(d, views))
	}
	for _, part := range scorecard.Parts {
		pp := pairPart{Name: p.Words.Parts[part], Scores: [2]scorecard.Score{reports[0].OfPart(part), reports[1].OfPart(part)}}
		if change := pp.Scores[1].Points - pp.Scores[0].Points; change != 0 && pp.Scores[0].Of == pp.Scores[1].Of {
			pp.Change = signed(change)
		}
		for _, category := range scorecard.Table() {
			if category.Part == part && len(lines[category.ID]) > 0 {
				pp.Categories = append(pp.Categories, pairCategory{Title: category.Name.In(language), Rows: lines[category.ID]})
			}
		}
		if len(pp.Categories) > 0 {
			p.Parts = append(p.Parts, pp)
		}
	}
	return p
}

func newPairRow(d scorecard.Difference, views [2]*view) pairRow {
	row := pairRow{ID: d.Row.ID, Name: d.Row.Name.In(views[0].Lang), Weight: d.Row.Weight, EKS: d.Row.EKS}
	for i, result := range [2]*scorecard.Result{d.A, d.B} {
		if result != nil {
			side := views[i].row(d.Row, *result)
			row.Sides[i] = &side
		}
	}
	change, known := d.Change()
	switch {
	case known && change > 0:
		row.Change, row.Class = signed(change), "up"
	case known && change < 0:
		row.Change, row.Class = signed(change), "down"
	}
	return row
}

// Sum is the score of one side, as text.
func (p pairPart) Sum(side int) string {
	return fmt.Sprintf("%s / %d", number(p.Scores[side].Points), p.Scores[side].Of)
}
