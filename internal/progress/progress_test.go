package progress

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// clock moves only when told to.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// play runs the same story on any progress.
func play(p *Progress, c *clock) {
	cluster := p.Step("cluster prod")
	endpoint := cluster.Step("endpoint")
	c.pass(400 * time.Millisecond)
	endpoint.Done("127.0.0.1:6443")
	etcd := cluster.Step("etcd")
	etcd.Detail("2 of 3 members are healthy, and this sentence is far too long to be shown on a terminal")
	c.pass(12 * time.Second)
	etcd.Done("")
	plane := cluster.Step("control plane")
	c.pass(2 * time.Minute)
	plane.End("", errors.New("no API server answers\nand more"))
	group := p.Step("node group default")
	nodes := group.Step("nodes")
	nodes.Detail("1 of 2 nodes are ready")
	c.pass(3 * time.Second)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run with -update after looking at it:\n%s", diff)
	}
}

func TestRender(t *testing.T) {
	for name, v := range map[string]view{
		"running.txt":  {frame: 3, width: 72},
		"closed.txt":   {frame: -1, width: 72},
		"narrow.txt":   {frame: 0, width: 30},
		"coloured.txt": {frame: 0, width: 72, color: true},
	} {
		t.Run("when drawn, it is as in "+name, func(t *testing.T) {
			c := &clock{now: time.Unix(0, 0)}
			p := New(&bytes.Buffer{}, Options{Now: c.Now})
			play(p, c)
			v.now = c.now
			golden(t, name, strings.Join(render(p.roots, v), "\n")+"\n")
		})
	}
}

func TestPlain(t *testing.T) {
	t.Run("when not on a terminal, it writes a line a finished step", func(t *testing.T) {
		c := &clock{now: time.Unix(0, 0)}
		var out bytes.Buffer
		p := New(&out, Options{Now: c.Now})
		play(p, c)
		p.Close()
		golden(t, "plain.txt", out.String())
	})
	t.Run("when a step takes long, a line says so, with what it waits for", func(t *testing.T) {
		c := &clock{now: time.Unix(0, 0)}
		var out bytes.Buffer
		p := &Progress{out: &out, options: Options{Now: c.Now}}
		play(p, c)
		out.Reset()
		c.pass(time.Minute)
		p.remind()
		want := "...       3m15s  cluster prod\n...       1m03s  node group default: nodes (1 of 2 nodes are ready)\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("when a step has just begun, it is not reminded of", func(t *testing.T) {
		c := &clock{now: time.Unix(0, 0)}
		var out bytes.Buffer
		p := &Progress{out: &out, options: Options{Now: c.Now}}
		p.Step("quick")
		c.pass(3 * time.Second)
		if p.remind(); out.Len() > 0 {
			t.Errorf("%q", out.String())
		}
	})
}

func TestTerminal(t *testing.T) {
	begin := func() (*Progress, *bytes.Buffer, *clock) {
		c, out := &clock{now: time.Unix(0, 0)}, &bytes.Buffer{}
		// Without the loop of New, so that nothing draws by itself.
		return &Progress{out: out, options: Options{Now: c.Now, Terminal: true, Width: 40}}, out, c
	}
	last := func(out *bytes.Buffer) string {
		text := out.String()
		out.Reset()
		return text
	}
	t.Run("when steps at the top have ended, they are written for good and the rest is redrawn", func(t *testing.T) {
		p, out, _ := begin()
		one, two := p.Step("one"), p.Step("two")
		one.Done("")
		if got := last(out); !strings.Contains(got, "\x1b[2A\r\x1b[2K✓ one") {
			t.Errorf("unexpected drawing: %q", got)
		}
		two.Detail("on its way")
		p.draw()
		if got := last(out); !strings.HasPrefix(got, "\x1b[1A\r\x1b[2K⠋ two  on its way") {
			t.Errorf("unexpected drawing: %q", got)
		}
	})
	t.Run("when a step was cached, it leaves no line", func(t *testing.T) {
		p, out, _ := begin()
		p.Start("one")("cached", nil)
		if got := last(out); !strings.HasSuffix(got, "\x1b[1A\x1b[J") {
			t.Errorf("unexpected drawing: %q", got)
		}
	})
	t.Run("when closed twice, the last drawing stays", func(t *testing.T) {
		var out bytes.Buffer
		p := New(&out, Options{Terminal: true})
		p.Step("one")
		p.Close()
		p.Close()
		if got := out.String(); !strings.Contains(got, "… one") || !strings.HasSuffix(got, "s\n") {
			t.Errorf("unexpected drawing: %q", got)
		}
	})
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 59*time.Second + 900*time.Millisecond: "59.9s", 59*time.Second + 980*time.Millisecond: "1m00s",
		125 * time.Second: "2m05s", 62 * time.Minute: "1h02m", time.Hour - time.Millisecond: "1h00m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("when %v passed, it writes %q, want %q", d, got, want)
		}
	}
}
