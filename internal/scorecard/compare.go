package scorecard

// Difference is a row in two reports.
type Difference struct {
	Row  Row
	A, B *Result // nil: that report does not answer the row
}

// Change is how many points B has more than A; known is false when one does not answer the row.
func (d Difference) Change() (points float64, known bool) {
	if d.A == nil || d.B == nil {
		return 0, false
	}
	return d.B.Points - d.A.Points, true
}

// Compare sets two reports side by side: all rows that one of them answers.
func Compare(a, b *Report) []Difference {
	var all []Difference
	for _, row := range Rows() {
		d := Difference{Row: row}
		if result, ok := a.Result(row.ID); ok {
			d.A = &result
		}
		if result, ok := b.Result(row.ID); ok {
			d.B = &result
		}
		if d.A != nil || d.B != nil {
			all = append(all, d)
		}
	}
	return all
}
