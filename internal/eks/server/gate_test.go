package server

import (
	"errors"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func TestGate(t *testing.T) {
	count := func(n int, call func() error) (admitted int) {
		for range n {
			err := call()
			if refused := new(types.ThrottlingException); err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			if err == nil {
				admitted++
			}
		}
		return admitted
	}
	limits := Limits{PerSecond: 0, Burst: 10, AtOnce: 3} // nothing is given back with time
	t.Run("when a key calls too often, another's calls are still answered", func(t *testing.T) {
		g := newGate(limits)
		if n := count(50, func() error { return g.admit("AKIAMALLORY") }); n != 10 {
			t.Errorf("%d were let in", n)
		}
		if n := count(5, func() error { return g.admit("AKIAALICE") }); n != 5 {
			t.Errorf("%d were let in", n)
		}
	})
	t.Run("when an address calls without end, it is refused before anything is verified", func(t *testing.T) {
		g := newGate(limits)
		n := count(100, func() error {
			leave, err := g.enter("127.0.0.1")
			if err == nil {
				leave()
			}
			return err
		})
		if n != 10*perAddress {
			t.Errorf("%d were let in", n)
		}
	})
	t.Run("when calls take long, only so many are worked on", func(t *testing.T) {
		g := newGate(limits)
		var leave func()
		n := count(10, func() (err error) {
			l, err := g.enter("127.0.0.1")
			if err == nil {
				leave = l
			}
			return err
		})
		leave()
		if more := count(2, func() error { _, err := g.enter("127.0.0.1"); return err }); n != 3 || more != 1 {
			t.Errorf("%d and then %d were let in", n, more)
		}
	})
	t.Run("when somebody makes up keys, they are not all remembered", func(t *testing.T) {
		g := newGate(limits)
		for n := range 2 * maxKeys {
			_ = g.admit(strconv.Itoa(n))
		}
		if len(g.keys) > maxKeys {
			t.Errorf("%d are", len(g.keys))
		}
	})
}
