package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// workbook writes a sheet with the sums and a chart, and one a part in the document's layout.
func (v *view) workbook(w io.Writer) error {
	book := &workbook{File: excelize.NewFile(), view: v}
	defer book.Close() // nothing is open: it is written to w
	if err := book.styles(); err != nil {
		return err
	}
	if err := book.summary(); err != nil {
		return err
	}
	for _, part := range v.Parts {
		if err := book.part(part); err != nil {
			return err
		}
	}
	if err := book.File.Write(w); err != nil {
		return fmt.Errorf("writing the workbook: %w", err)
	}
	return nil
}

type workbook struct {
	*excelize.File
	view *view
	// styles of cells: the head, texts that wrap, numbers.
	head, text, figure int
}

func (b *workbook) styles() error {
	border := []excelize.Border{{Type: "bottom", Color: "D0D5DA", Style: 1}, {Type: "right", Color: "D0D5DA", Style: 1}}
	for _, s := range []struct {
		into  *int
		style excelize.Style
	}{
		{&b.head, excelize.Style{Border: border, Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8ECEF"}}, Alignment: &excelize.Alignment{Vertical: "top", WrapText: true}}},
		{&b.text, excelize.Style{Border: border, Alignment: &excelize.Alignment{Vertical: "top", WrapText: true}}},
		{&b.figure, excelize.Style{Border: border, Alignment: &excelize.Alignment{Vertical: "top", Horizontal: "right"}}},
	} {
		id, err := b.NewStyle(&s.style)
		if err != nil {
			return fmt.Errorf("making a style: %w", err)
		}
		*s.into = id
	}
	return nil
}

// put writes a row of cells.
func (b *workbook) put(sheet string, row, style int, values ...any) error {
	for i, value := range values {
		cell, err := excelize.CoordinatesToCellName(i+1, row)
		if err != nil {
			return err
		}
		s := style
		switch value.(type) {
		case int, float64:
			s = b.figure
		}
		if err := b.SetCellValue(sheet, cell, value); err != nil {
			return fmt.Errorf("writing %s: %w", cell, err)
		}
		if err := b.SetCellStyle(sheet, cell, cell, s); err != nil {
			return fmt.Errorf("writing %s: %w", cell, err)
		}
	}
	return nil
}

func (b *workbook) widths(sheet string, widths ...float64) error {
	for i, width := range widths {
		column, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return err
		}
		if err := b.SetColWidth(sheet, column, column, width); err != nil {
			return err
		}
	}
	return nil
}

func (b *workbook) summary() error {
	t := b.view.Words
	sheet := t.Score
	if err := b.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	if err := b.put(sheet, 1, b.text, b.view.About()); err != nil {
		return err
	}
	if err := b.put(sheet, 3, b.head, t.Category, t.Points, t.EKS, t.Result); err != nil {
		return err
	}
	row := 4
	for _, part := range b.view.Parts {
		for _, category := range part.Categories {
			if err := b.put(sheet, row, b.text, category.Title, category.Score.Of, category.Score.EKS, category.Score.Points); err != nil {
				return err
			}
			row++
		}
	}
	last := row - 1
	for _, part := range b.view.Parts {
		if err := b.put(sheet, row, b.head, part.Name, part.Score.Of, part.Score.EKS, part.Score.Points); err != nil {
			return err
		}
		row++
	}
	if err := b.widths(sheet, 34, 10, 10, 10); err != nil {
		return err
	}
	series := func(column string) excelize.ChartSeries {
		return excelize.ChartSeries{
			Name:       fmt.Sprintf("'%s'!$%s$3", sheet, column),
			Categories: fmt.Sprintf("'%s'!$A$4:$A$%d", sheet, last), Values: fmt.Sprintf("'%s'!$%s$4:$%s$%d", sheet, column, column, last),
		}
	}
	return b.AddChart(sheet, "F3", &excelize.Chart{
		Type: excelize.Bar, Series: []excelize.ChartSeries{series("B"), series("C"), series("D")},
		Title: excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: t.Chart}}}, Dimension: excelize.ChartDimension{Width: 760, Height: 560},
	})
}

func (b *workbook) part(part partView) error {
	t := b.view.Words
	sheet := part.Name
	if _, err := b.NewSheet(sheet); err != nil {
		return fmt.Errorf("adding a sheet: %w", err)
	}
	if err := b.put(sheet, 1, b.head, t.Category, "ID", t.Item, t.Description, t.Points, t.Weight, t.EKS, t.Result, t.Opinion, t.Evidence); err != nil {
		return err
	}
	row := 2
	for _, category := range part.Categories {
		first := row
		for _, r := range category.Rows {
			err := b.put(sheet, row, b.text, category.Title, r.Row, r.Name, r.Question, category.Points, r.Weight, r.EKS, r.Points, plainOpinions(r), plainEvidence(r))
			if err != nil {
				return err
			}
			row++
		}
		for _, column := range []string{"A", "E"} {
			if err := b.MergeCell(sheet, fmt.Sprintf("%s%d", column, first), fmt.Sprintf("%s%d", column, row-1)); err != nil {
				return fmt.Errorf("merging cells: %w", err)
			}
		}
	}
	if err := b.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	return b.widths(sheet, 18, 6, 28, 40, 7, 8, 9, 9, 70, 60)
}

func plainOpinions(r rowView) string {
	var lines []string
	for _, o := range r.Opinions {
		line := o.Mark + " " + o.Text
		if o.Why != "" {
			line += " (" + shorten(o.Why, 300) + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// mostOfCell is what a cell takes (https://support.microsoft.com/office/excel-specifications-and-limits), with room.
const mostOfCell = 30000

func plainEvidence(r rowView) string {
	var text strings.Builder
	for _, e := range r.Evidence {
		fmt.Fprintf(&text, "%.1f %s\n", e.At, e.Did)
		if e.Saw != "" {
			fmt.Fprintf(&text, "→ %s\n", e.Saw)
		}
	}
	return shorten(strings.TrimSpace(text.String()), mostOfCell)
}
