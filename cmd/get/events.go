package get

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/cmd/flags"
	"naru.dev/naru/internal/eks/audit"
	"naru.dev/naru/internal/logs"
	"naru.dev/naru/internal/printer"
)

// serverLabels select the pods of naru server, in whose log events are.
var serverLabels = client.MatchingLabels{"app": "naru-server"}

type eventOptions struct {
	filter audit.Filter
	since  time.Duration
	output string
}

func newEvents() *cobra.Command {
	var o eventOptions
	command := &cobra.Command{
		Use:   "events",
		Short: "List calls of the EKS, IAM and STS APIs: who did what, and what came of it",
		Long: `Reads the log of naru server, which has a line for each call, in the shape of CloudTrail's events
(-o json prints them as they are). The log of a server that was replaced is gone.`,
		Example: `  naru get events --user alice
  naru get events --failed --since 1h
  naru get events --event DeleteCluster -o json`,
		Args: flags.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	set := command.Flags()
	set.StringVar(&o.filter.User, "user", "", "only those of this user, role or session, by name or ARN")
	set.StringVar(&o.filter.Event, "event", "", "only those of this operation, as DeleteCluster")
	set.BoolVar(&o.filter.Failed, "failed", false, "only those that were refused or failed")
	set.DurationVar(&o.since, "since", 0, "only those of the last 10m, 1h … (default: all)")
	flags.Output(command, &o.output, string(printer.Table), string(printer.Table), string(printer.JSON))
	return command
}

func (o *eventOptions) run(command *cobra.Command) error {
	format, err := flags.Format(o.output)
	if err != nil {
		return err
	}
	session, err := flags.Open()
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := session.Client.List(command.Context(), pods, client.InNamespace(v1alpha1.SystemNamespace), serverLabels); err != nil {
		return fmt.Errorf("listing pods of the server: %w", err)
	}
	clients, err := kubernetes.NewForConfig(session.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if o.since > 0 {
		o.filter.Since = time.Now().Add(-o.since)
	}
	var events []audit.Event
	for i := range pods.Items {
		var log bytes.Buffer
		if err := logs.Pods(command.Context(), clients, &log, pods.Items[i:i+1], logs.Options{Tail: -1}); err != nil {
			return err
		}
		events = append(events, audit.Read(log.Bytes(), o.filter)...)
	}
	if format == printer.JSON {
		encoder := json.NewEncoder(command.OutOrStdout())
		for _, event := range events {
			if err := encoder.Encode(event); err != nil {
				return err
			}
		}
		return nil
	}
	if len(events) == 0 {
		fmt.Fprintln(command.ErrOrStderr(), "There are no such events.")
		return nil
	}
	return eventTable(command.OutOrStdout(), events)
}

func eventTable(w io.Writer, events []audit.Event) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TIME\tWHO\tEVENT\tWHAT\tOUTCOME")
	for _, e := range events {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", e.EventTime.Local().Format(time.DateTime), e.Who(), e.EventName, e.What(), e.Outcome())
	}
	return table.Flush()
}
