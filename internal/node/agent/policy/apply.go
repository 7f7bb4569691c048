package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"
)

// Applier owns Table. It is not safe for concurrent use.
type Applier struct {
	nft  knftables.Interface
	last *Ruleset
}

// NewApplier works through nft, which must be bound to family ip and Table.
func NewApplier(nft knftables.Interface) *Applier { return &Applier{nft: nft} }

// Apply makes the kernel enforce next, atomically: every packet is judged by the
// ruleset before or by next. The first call replaces what an earlier process
// left; later ones send the difference. It returns the number of nft operations.
// After an error the next call replaces everything.
func (a *Applier) Apply(ctx context.Context, next Ruleset) (int, error) {
	tx := a.nft.NewTransaction()
	if a.last == nil {
		replace(tx, next)
	} else {
		difference(tx, *a.last, next)
	}
	if tx.NumOperations() == 0 {
		return 0, nil
	}
	if err := a.nft.Run(ctx, tx); err != nil {
		a.last = nil
		return 0, fmt.Errorf("running nft transaction of table %s: %w", Table, err)
	}
	a.last = &next
	return tx.NumOperations(), nil
}

// Verify notices that someone else changed or removed the table, so that the
// next Apply replaces it; it looks at names, not at elements.
func (a *Applier) Verify(ctx context.Context) error {
	if a.last == nil {
		return nil
	}
	objects, err := a.nft.ListAll(ctx)
	if err != nil && !knftables.IsNotFound(err) {
		return fmt.Errorf("listing nft table %s: %w", Table, err)
	}
	same := sameNames(objects["chain"], a.last.Chains) &&
		sameNames(objects["set"], a.last.Sets) && sameNames(objects["map"], a.last.Maps)
	if !same {
		a.last = nil
	}
	return nil
}

func sameNames[V any](listed []string, want map[string]V) bool {
	if len(listed) != len(want) {
		return false
	}
	return !slices.ContainsFunc(listed, func(n string) bool { _, ok := want[n]; return !ok })
}

// Script returns the nft script that makes Table from nothing.
func Script(r Ruleset) string {
	tx := knftables.NewFake(knftables.IPv4Family, Table).NewTransaction()
	replace(tx, r)
	return tx.String()
}

func replace(tx *knftables.Transaction, next Ruleset) {
	// Adding first makes the deletion valid when there is no such table.
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("NetworkPolicy, owned by naru agent")})
	difference(tx, newRuleset(), next)
}

// difference adds what rules refer to before the rules, and deletes it after.
func difference(tx *knftables.Transaction, old, next Ruleset) {
	addObjects(tx, old, next)
	for _, chain := range sortedKeys(next.Chains) {
		before, existed := old.Chains[chain]
		rules := next.Chains[chain].Rules
		if existed && slices.Equal(before.Rules, rules) {
			continue
		}
		if existed {
			tx.Flush(&knftables.Chain{Name: chain})
		}
		for _, rule := range rules {
			tx.Add(&knftables.Rule{Chain: chain, Rule: rule})
		}
	}
	for _, set := range sortedKeys(next.Sets) {
		setElements(tx, set, old.Sets[set].Elements, next.Sets[set].Elements)
	}
	for _, m := range sortedKeys(next.Maps) {
		mapElements(tx, m, old.Maps[m], next.Maps[m])
	}
	deleteObjects(tx, old, next)
}

func addObjects(tx *knftables.Transaction, old, next Ruleset) {
	for _, set := range sortedKeys(next.Sets) {
		if _, existed := old.Sets[set]; !existed {
			s := next.Sets[set]
			tx.Add(&knftables.Set{Name: set, Type: s.Type, Comment: comment(s.Comment)})
		}
	}
	for _, m := range sortedKeys(next.Maps) {
		if _, existed := old.Maps[m]; !existed {
			tx.Add(&knftables.Map{Name: m, Type: "ipv4_addr : verdict"})
		}
	}
	for _, chain := range sortedKeys(next.Chains) {
		if _, existed := old.Chains[chain]; existed {
			continue
		}
		c := &knftables.Chain{Name: chain}
		if want := next.Chains[chain]; want.Hook != "" {
			c.Type = knftables.PtrTo(knftables.FilterType)
			c.Hook = knftables.PtrTo(want.Hook)
			c.Priority = knftables.PtrTo(want.Priority)
		}
		tx.Add(c)
	}
}

// deleteObjects flushes all chains that go before it deletes one, since they
// may jump to each other.
func deleteObjects(tx *knftables.Transaction, old, next Ruleset) {
	gone := missing(old.Chains, next.Chains)
	for _, chain := range gone {
		tx.Flush(&knftables.Chain{Name: chain})
	}
	for _, m := range missing(old.Maps, next.Maps) {
		tx.Delete(&knftables.Map{Name: m})
	}
	for _, chain := range gone {
		tx.Delete(&knftables.Chain{Name: chain})
	}
	for _, set := range missing(old.Sets, next.Sets) {
		tx.Delete(&knftables.Set{Name: set})
	}
}

func setElements(tx *knftables.Transaction, set string, old, next map[string]bool) {
	for _, key := range missing(old, next) {
		tx.Delete(&knftables.Element{Set: set, Key: strings.Split(key, " . ")})
	}
	for _, key := range missing(next, old) {
		tx.Add(&knftables.Element{Set: set, Key: strings.Split(key, " . ")})
	}
}

func mapElements(tx *knftables.Transaction, m string, old, next map[string]string) {
	for _, key := range sortedKeys(old) {
		if next[key] != old[key] {
			tx.Delete(&knftables.Element{Map: m, Key: []string{key}})
		}
	}
	for _, key := range sortedKeys(next) {
		if next[key] != old[key] {
			tx.Add(&knftables.Element{Map: m, Key: []string{key}, Value: []string{next[key]}})
		}
	}
}

// missing returns the sorted keys of a that b lacks.
func missing[V any](a, b map[string]V) []string {
	return slices.DeleteFunc(sortedKeys(a), func(k string) bool { _, ok := b[k]; return ok })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// comment cuts to what nft takes.
func comment(s string) *string {
	if s == "" {
		return nil
	}
	if len(s) > knftables.CommentLengthMax {
		s = s[:knftables.CommentLengthMax-3] + "..."
	}
	return &s
}
