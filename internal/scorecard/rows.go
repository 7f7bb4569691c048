// Package scorecard is the evaluation of a platform, row by row, as data: what is asked, what a
// check answered, and the report of a run. What checks do is in package checks, how reports look in
// package render. Nothing here talks to a cluster.
package scorecard

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Part is one half of the table; each sums to 100 points.
type Part string

// The parts.
const (
	Platform    Part = "platform"
	Application Part = "application"
)

// Parts are the parts in the order of the table.
var Parts = []Part{Platform, Application}

// Language is that of a report.
type Language string

// The languages.
const (
	English Language = "en"
	Korean  Language = "ko"
)

// ParseLanguage reads a value of --lang.
func ParseLanguage(s string) (Language, error) {
	if l := Language(s); l == English || l == Korean {
		return l, nil
	}
	return "", fmt.Errorf("--lang %q can't be: choose en or ko", s)
}

// Text is something said in both languages.
type Text struct {
	EN string `json:"en"`
	KO string `json:"ko"`
}

// In returns the text in a language.
func (t Text) In(l Language) string {
	if l == Korean {
		return t.KO
	}
	return t.EN
}

// Category groups rows. Its points are the sum of its rows' weights.
type Category struct {
	ID     string
	Part   Part
	Name   Text
	Points int
	Rows   []Row
}

// Row is one thing that a platform is asked.
type Row struct {
	// ID is P01 to P42 for the platform, A01 to A41 for applications.
	ID       string
	Part     Part
	Category string
	Name     Text
	Question Text
	// Weight is the most points that the row gives, EKS those that Amazon EKS got in October 2018.
	Weight, EKS int
}

//go:embed rows.yaml
var rowsYAML []byte

// file is the shape of rows.yaml.
type file map[Part][]struct {
	Category struct {
		ID     string `json:"id"`
		EN     string `json:"en"`
		KO     string `json:"ko"`
		Points int    `json:"points"`
	} `json:"category"`
	Rows []struct {
		ID         string `json:"id"`
		Weight     int    `json:"weight"`
		EKS        int    `json:"eks"`
		EN         string `json:"en"`
		KO         string `json:"ko"`
		Question   string `json:"question"`
		QuestionKO string `json:"question_ko"`
	} `json:"rows"`
}

// Table returns all categories with their rows, in the order of the document.
func Table() []Category {
	var f file
	if err := yaml.UnmarshalStrict(rowsYAML, &f); err != nil {
		panic(err) // it is compiled in, and a test reads it
	}
	var all []Category
	for _, part := range Parts {
		for _, c := range f[part] {
			category := Category{ID: c.Category.ID, Part: part, Name: Text{c.Category.EN, c.Category.KO}, Points: c.Category.Points}
			for _, r := range c.Rows {
				category.Rows = append(category.Rows, Row{
					ID: r.ID, Part: part, Category: category.ID, Name: Text{r.EN, r.KO}, Question: Text{r.Question, r.QuestionKO},
					Weight: r.Weight, EKS: r.EKS,
				})
			}
			all = append(all, category)
		}
	}
	return all
}

// Rows returns all rows, in the order of the document.
func Rows() []Row {
	var all []Row
	for _, category := range Table() {
		all = append(all, category.Rows...)
	}
	return all
}

// Select returns the rows that are named by ID or by category; all when neither is given.
// Errors: *UnknownError.
func Select(ids, categories []string) ([]Row, error) {
	for _, id := range ids {
		if !slices.ContainsFunc(Rows(), func(r Row) bool { return strings.EqualFold(r.ID, id) }) {
			return nil, &UnknownError{What: "row", Name: id, Choice: "P01 to P42 and A01 to A41"}
		}
	}
	var known []string
	for _, c := range Table() {
		known = append(known, c.ID)
	}
	for _, c := range categories {
		if !slices.Contains(known, c) {
			return nil, &UnknownError{What: "category", Name: c, Choice: strings.Join(known, ", ")}
		}
	}
	if len(ids) == 0 && len(categories) == 0 {
		return Rows(), nil
	}
	return slices.DeleteFunc(Rows(), func(r Row) bool {
		named := slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(r.ID, id) })
		return !named && !slices.Contains(categories, r.Category)
	}), nil
}

// UnknownError says that a row or a category does not exist.
type UnknownError struct{ What, Name, Choice string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no %s %q: choose one of %s", e.What, e.Name, e.Choice)
}
