package scorecard

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	sums := map[Part][2]int{}
	seen := map[string]bool{}
	for _, category := range Table() {
		weights := 0
		for _, row := range category.Rows {
			if seen[row.ID] {
				t.Errorf("row %s is there twice", row.ID)
			}
			seen[row.ID] = true
			if row.EKS > row.Weight || row.Weight < 1 {
				t.Errorf("%s: weight %d, EKS %d", row.ID, row.Weight, row.EKS)
			}
			for _, text := range []Text{row.Name, row.Question, category.Name} {
				if text.EN == "" || text.KO == "" {
					t.Errorf("%s: a text lacks a language: %+v", row.ID, text)
				}
			}
			weights += row.Weight
			sum := sums[row.Part]
			sums[row.Part] = [2]int{sum[0] + row.Weight, sum[1] + row.EKS}
		}
		if weights != category.Points {
			t.Errorf("%s has %d points, its rows %d", category.ID, category.Points, weights)
		}
	}
	want := map[Part][2]int{Platform: {100, 58}, Application: {100, 61}}
	if diff := cmp.Diff(want, sums); diff != "" || len(seen) != 83 {
		t.Errorf("when all is added up, it is the document's sums of 83 rows; there are %d:\n%s", len(seen), diff)
	}
}

func TestSelect(t *testing.T) {
	for name, c := range map[string]struct {
		ids, categories []string
		want            []string
		err             string
	}{
		"when rows are named, they come in the document's order": {[]string{"A05", "p04"}, nil, []string{"P04", "A05"}, ""},
		"when a category is named, all of its rows come":         {nil, []string{"backup"}, []string{"P22"}, ""},
		"when both are, both come":                               {[]string{"P01"}, []string{"backup"}, []string{"P01", "P22"}, ""},
		"when a row does not exist, it says which do":            {[]string{"P43"}, nil, nil, `there is no row "P43": choose one of P01 to P42 and A01 to A41`},
		"when a category does not exist, it lists all": {nil, []string{"speed"}, nil,
			`there is no category "speed": choose one of install, upgrade, fault-tolerance, backup, scaling, platform-management, monitoring, logging-metering, build-deploy, registry, container-management, development, analysis, project-management, security-networking`},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := Select(c.ids, c.categories)
			var got []string
			for _, row := range rows {
				got = append(got, row.ID)
			}
			var unknown *UnknownError
			text := ""
			if errors.As(err, &unknown) {
				text = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" || text != c.err {
				t.Errorf("error %q\n%s", text, diff)
			}
		})
	}
}
