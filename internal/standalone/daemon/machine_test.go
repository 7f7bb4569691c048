package daemon

import (
	"errors"
	"testing"
)

func TestClaimMachine(t *testing.T) {
	release, err := ClaimMachine()
	if errors.Is(err, ErrMachineTaken) {
		t.Log("a platform runs on this machine; its claim stands for the first one here")
	} else if err != nil {
		t.Fatal(err)
	} else {
		defer release()
	}
	if _, err := ClaimMachine(); !errors.Is(err, ErrMachineTaken) {
		t.Errorf("when the machine is claimed, a second claim is refused: got %v", err)
	}
}

func TestParseStart(t *testing.T) {
	cases := map[string]struct {
		stat  string
		start uint64
		fails bool
	}{
		"when the name holds spaces and parentheses, it is read past": {
			stat: "7 (a) b)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345 1 2 3", start: 12345},
		"when the process is a zombie, it has ended": {
			stat: "7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345 1 2 3", fails: true},
		"when the line is cut off, it is an error": {stat: "7 (a) S 1", fails: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseStart(c.stat)
			if got != c.start || (err != nil) != c.fails {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
