package measure

import (
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	var out strings.Builder
	err := Print(&out, "bench", []Figure{
		Seconds("fast", 6, 12), Seconds("slow", 24, 12), Ratio("created", 20, 8, 4), {Name: "ten", Text: "99 s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"within 12.0 s (50 %)", "OVER 12.0 s (200 %)", "2.50 x the floor", "within 4.0 x the floor", "99 s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}
