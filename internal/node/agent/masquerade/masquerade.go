// Package masquerade gives pod traffic that leaves the cluster the address of
// the node. Traffic to pods keeps its source, and so does traffic to Services:
// kube-proxy has turned it into traffic to pods before it reaches this hook.
package masquerade

import (
	"context"
	"fmt"
	"net/netip"

	"sigs.k8s.io/knftables"
)

// Table is the nftables table (family ip) that this package owns alone;
// kube-proxy's rules are in tables of its own.
const Table = "naru-nat"

// Apply replaces the table's content, atomically; nft must be bound to family ip
// and Table. pods is this node's range, inside are the ranges (pods, Services)
// that keep the source.
func Apply(ctx context.Context, nft knftables.Interface, pods netip.Prefix, inside []netip.Prefix) error {
	tx := nft.NewTransaction()
	fill(tx, pods, inside)
	if err := nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("running nft transaction of table %s: %w", Table, err)
	}
	return nil
}

func fill(tx *knftables.Transaction, pods netip.Prefix, inside []netip.Prefix) {
	const chain = "postrouting"
	// Adding first makes the deletion valid when there is no such table; deleting
	// rids it of whatever another version of the agent put there.
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("pod traffic that leaves the cluster, owned by naru agent")})
	// One step after kube-proxy, so that its own decisions come first.
	tx.Add(&knftables.Chain{
		Name: chain, Type: knftables.PtrTo(knftables.NATType), Hook: knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(knftables.SNATPriority + "+1"),
	})
	for _, p := range inside {
		tx.Add(&knftables.Rule{Chain: chain, Rule: "ip daddr " + p.Masked().String() + " return"})
	}
	tx.Add(&knftables.Rule{Chain: chain, Rule: "ip daddr 224.0.0.0/4 return", Comment: knftables.PtrTo("multicast")})
	tx.Add(&knftables.Rule{Chain: chain, Rule: "ip saddr " + pods.Masked().String() + " masquerade fully-random"})
}
