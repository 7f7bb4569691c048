package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"naru.dev/naru/internal/scorecard"
)

// table writes the report for a terminal: a line a row, with what it lacks.
func (v *view) table(w io.Writer) error {
	out := bufio.NewWriter(w)
	name := 0
	for _, part := range v.Parts {
		for _, category := range part.Categories {
			name = max(name, columns(category.Title)-7)
			for _, row := range category.Rows {
				name = max(name, columns(row.Name))
			}
		}
	}
	fmt.Fprintf(out, "%s\n", v.About())
	for _, part := range v.Parts {
		fmt.Fprintf(out, "\n%s\n", pad(strings.ToUpper(part.Name), name+8)+v.sum(part.Score))
		for _, category := range part.Categories {
			fmt.Fprintf(out, "\n%s\n", pad(category.Title, name+8)+v.sum(category.Score))
			for _, row := range category.Rows {
				line := fmt.Sprintf("  %s  %s  %5s / %d  (%d)  %s", row.Row, pad(row.Name, name), number(row.Points), row.Weight, row.EKS, row.lacks())
				fmt.Fprintln(out, strings.TrimRight(line, " "))
			}
		}
	}
	return out.Flush()
}

func (v *view) sum(s scorecard.Score) string {
	return fmt.Sprintf("%6s / %d   %s: %d", number(s.Points), s.Of, v.Words.EKS, s.EKS)
}

// lacks is what a row has no points for.
func (r rowView) lacks() string {
	var all []string
	for _, o := range r.Opinions {
		switch {
		case o.Mark == held:
		case o.Why == "":
			all = append(all, o.Text)
		default:
			all = append(all, o.Text+": "+strings.Join(strings.Fields(o.Why), " "))
		}
	}
	return shorten(strings.Join(all, "; "), 160)
}

func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "…"
}

// columns is how wide a text is on a terminal: Korean letters take two columns.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 && r <= 0x11ff || r >= 0x2e80 && r <= 0xd7a3 || r >= 0xff00 && r <= 0xff60 {
			n++
		}
	}
	return n
}

func pad(s string, to int) string { return s + strings.Repeat(" ", max(0, to-columns(s))) }

// markdown writes the report in the document's layout, evidence folded.
func (v *view) markdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# %s\n\n%s\n\n", v.Words.Title, cell(v.About()))
	fmt.Fprintf(out, "| | %s | %s |\n|---|---:|---:|\n", v.Words.Score, v.Words.EKS)
	for _, part := range v.Parts {
		fmt.Fprintf(out, "| **%s** | **%s / %d** | %d |\n", part.Name, number(part.Score.Points), part.Score.Of, part.Score.EKS)
		for _, category := range part.Categories {
			fmt.Fprintf(out, "| %s | %s / %d | %d |\n", cell(category.Title), number(category.Score.Points), category.Score.Of, category.Score.EKS)
		}
	}
	t := v.Words
	for _, part := range v.Parts {
		fmt.Fprintf(out, "\n## %s\n\n", part.Name)
		fmt.Fprintf(out, "| %s | | %s | %s | %s | %s | %s | %s | %s |\n|---|---|---|---|---:|---:|---:|---:|---|\n",
			t.Category, t.Item, t.Description, t.Points, t.Weight, t.EKS, t.Result, t.Opinion)
		for _, category := range part.Categories {
			for i, row := range category.Rows {
				title, points := "", ""
				if i == 0 {
					title, points = category.Title, fmt.Sprint(category.Points)
				}
				fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %d | %d | %s | %s |\n", cell(title), row.Row, cell(row.Name), cell(row.Question),
					points, row.Weight, row.EKS, number(row.Points), opinions(row))
			}
		}
	}
	v.evidence(out)
	return out.Flush()
}

func opinions(row rowView) string {
	var lines []string
	for _, o := range row.Opinions {
		line := o.Mark + " " + cell(o.Text)
		if o.Why != "" {
			line += ": " + cell(shorten(o.Why, 200))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "<br>")
}

// cell is a text that does not break a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\r", "", "\n", " ", "<", "&lt;", ">", "&gt;").Replace(s)
}

func (v *view) evidence(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n", v.Words.Evidence)
	for _, part := range v.Parts {
		for _, category := range part.Categories {
			for _, row := range category.Rows {
				if len(row.Evidence) == 0 {
					continue
				}
				fmt.Fprintf(out, "\n<details><summary>%s %s</summary>\n\n```text\n", row.Row, cell(row.Name))
				for _, e := range row.Evidence {
					fmt.Fprintf(out, "%6.1f  %s\n", e.At, fence(e.Did))
					for line := range strings.Lines(e.Saw) {
						fmt.Fprintf(out, "        → %s\n", fence(strings.TrimRight(line, "\r\n")))
					}
				}
				fmt.Fprint(out, "```\n\n</details>\n")
			}
		}
	}
}

// fence keeps a text from ending the block that it is in.
func fence(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "```", "'''"), "\n", " ")
}
