// Package etcd is the command `naru etcd`.
package etcd

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"naru.dev/naru/internal/controlplane/etcd/member"
)

const (
	program    = "/usr/local/bin/etcd"
	maxMembers = 3
)

// NewEtcdCommand returns the entry point of etcd's pods.
func NewEtcdCommand() *cobra.Command {
	o := member.Options{MaxMembers: maxMembers}
	cmd := &cobra.Command{
		Use:   "etcd [flags] -- [arguments of etcd]",
		Short: "Decide how this etcd member starts, then become etcd",
		Long: `The entry point of a control plane's etcd pods. It decides from the data directory, from what the
other members say and from $NARU_ETCD_BOOTSTRAPPED whether the member forms the cluster, joins it or
goes on with its data, and then becomes etcd.`,
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(&o); err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			more, err := member.Prepare(cmd.Context(), o, log)
			if err != nil {
				return err
			}
			argv := append(append([]string{program}, more...), args...)
			if err := unix.Exec(program, argv, os.Environ()); err != nil {
				return fmt.Errorf("becoming etcd: %w", err)
			}
			return nil
		},
	}
	set := cmd.Flags()
	set.StringVar(&o.Name, "name", "", "name of this member, as etcd-0")
	set.StringVar(&o.Domain, "domain", "", "domain under which members are found")
	set.StringVar(&o.DataDir, "data-dir", "", "folder of the member's data, which it may remove")
	set.StringVar(&o.Certificate, "cert-file", "/etc/etcd/server/tls.crt", "certificate that other members accept")
	set.StringVar(&o.Key, "key-file", "/etc/etcd/server/tls.key", "its key")
	set.StringVar(&o.CA, "trusted-ca-file", "/etc/etcd/ca/tls.crt", "authority of the members' certificates")
	for _, name := range []string{"name", "domain", "data-dir"} {
		cobra.CheckErr(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func fromEnvironment(o *member.Options) error {
	for variable, number := range map[string]*int{"NARU_ETCD_INITIAL_MEMBERS": &o.InitialMembers, "NARU_ETCD_MEMBERS": &o.Members} {
		n, err := strconv.Atoi(os.Getenv(variable))
		if err != nil || n < 1 {
			return fmt.Errorf("%s is %q: it must be a number of members, of the first ones and of those there are to be", variable, os.Getenv(variable))
		}
		*number = n
	}
	o.Bootstrapped = os.Getenv("NARU_ETCD_BOOTSTRAPPED") == "true"
	return nil
}
