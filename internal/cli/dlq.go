package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/look"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/tenant"
)

const dlqLong = `Messages that no service could handle are parked, each with the reason: its payload was of an unknown version, its tenant is gone,
it failed again and again. Nothing happens to them until somebody replays or purges them.`

func newCmdDLQ(f *Factory) *cobra.Command {
	return group("dlq", "List, show, replay and purge messages that nobody could handle", dlqLong,
		newCmdDLQList(f, nil), newCmdDLQShow(f, nil), newCmdDLQReplay(f, nil), newCmdDLQPurge(f, nil))
}

type dlqOptions struct {
	Factory             *Factory
	IDs                 []string
	All                 bool
	Tenant, Type, Queue string
	Confirm             string // how many, to purge
}

// filters choose parked messages by what they are.
func (o *dlqOptions) filters(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Tenant, "tenant", "", "only this tenant's")
	flags.StringVar(&o.Type, "type", "", "only events of this type, such as order.placed")
	flags.StringVar(&o.Queue, "queue", "", "only what this consumer couldn't handle")
}

func (o *dlqOptions) chosen(p bus.Parked) bool {
	return (len(o.IDs) == 0 || slices.Contains(o.IDs, p.ID)) && (o.Tenant == "" || string(p.Tenant) == o.Tenant) &&
		(o.Type == "" || p.Type == o.Type) && (o.Queue == "" || p.Queue == o.Queue)
}

// some wants messages to be named, or all that the filters let through.
func (o *dlqOptions) some(cmd *cobra.Command, args []string) error {
	o.IDs = args
	if (len(args) > 0) == o.All {
		return usageError(cmd, "`tenantctl dlq list` shows the messages", "%s needs the ids of messages, or --all", cmd.CommandPath())
	}
	return nil
}

func (o *dlqOptions) run(runF, run func(context.Context, *dlqOptions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if runF != nil {
			return runF(cmd.Context(), o)
		}
		return run(cmd.Context(), o)
	}
}

func newCmdDLQList(f *Factory, runF func(context.Context, *dlqOptions) error) *cobra.Command {
	o := &dlqOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List parked messages, the oldest first",
		Long: `List parked messages, the oldest first. Nothing is taken from the queue; while the list is made, others don't see the messages. With
more than 10,000 the oldest are shown.`,
		Example: "  tenantctl dlq list\n  tenantctl dlq list --tenant client-x --type order.placed\n  tenantctl dlq list -o name",
		Args:    noArgs,
		RunE:    o.run(runF, runDLQList),
	}
	o.filters(cmd)
	return cmd
}

func newCmdDLQShow(f *Factory, runF func(context.Context, *dlqOptions) error) *cobra.Command {
	o := &dlqOptions{Factory: f}
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a parked message with its payload",
		Example: "  tenantctl dlq show 5f0c9f3e-5d1c-4c55-9a4e-0d8f4b8f4b8f",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(cmd, "`tenantctl dlq list` shows the messages", "%s needs the id of one message", cmd.CommandPath())
			}
			o.IDs = args
			return nil
		},
		RunE: o.run(runF, runDLQShow),
	}
}

func newCmdDLQReplay(f *Factory, runF func(context.Context, *dlqOptions) error) *cobra.Command {
	o := &dlqOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "replay ID...|--all",
		Short: "Have parked messages handled again",
		Long: `Send parked messages to whom they were for, as if they were new. Their ids stay, so what was done about them already isn't done
again. Each leaves the parking queue when the broker has it where it goes; what fails again is parked again.`,
		Example: "  tenantctl dlq replay 5f0c9f3e-5d1c-4c55-9a4e-0d8f4b8f4b8f\n  tenantctl dlq replay --all --type order.placed",
		Args:    o.some,
		RunE:    o.run(runF, runDLQReplay),
	}
	o.filters(cmd)
	cmd.Flags().BoolVar(&o.All, "all", false, "all that the other flags let through")
	return cmd
}

func newCmdDLQPurge(f *Factory, runF func(context.Context, *dlqOptions) error) *cobra.Command {
	o := &dlqOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "purge ID...|--all",
		Short:   "Remove parked messages for good",
		Long:    "Remove parked messages for good. It asks for their number, or takes it from --confirm; if there are more or fewer by then, nothing is removed.",
		Example: "  tenantctl dlq purge --all --tenant client-x --confirm 3",
		Args:    o.some,
		RunE:    o.run(runF, runDLQPurge),
	}
	o.filters(cmd)
	cmd.Flags().BoolVar(&o.All, "all", false, "all that the other flags let through")
	cmd.Flags().StringVar(&o.Confirm, "confirm", "", "how many messages are to be removed, in place of the question")
	return cmd
}

// parked reads the messages that are meant.
func (o *dlqOptions) parked(ctx context.Context) (*bus.Broker, []bus.Parked, error) {
	broker, err := o.Factory.Bus(ctx, o.Factory.Log())
	if err != nil {
		return nil, nil, err
	}
	all, err := broker.Parked(ctx)
	if err != nil {
		return nil, nil, err
	}
	found := []bus.Parked{}
	for _, p := range all {
		if o.chosen(p) {
			found = append(found, p)
		}
	}
	for _, id := range o.IDs {
		if !slices.ContainsFunc(found, func(p bus.Parked) bool { return p.ID == id }) {
			return nil, nil, tenant.WithHint(fmt.Errorf("parked message %q: %w", id, tenant.ErrNotFound), "`tenantctl dlq list` shows those that there are")
		}
	}
	return broker, found, nil
}

func runDLQList(ctx context.Context, o *dlqOptions) error {
	_, found, err := o.parked(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		o.Factory.Tell("no messages are parked")
	}
	return o.Factory.printParked(found)
}

func (f *Factory) printParked(list []bus.Parked) error {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = "message/" + p.ID
	}
	p := f.Printer()
	return p.List("ParkedMessageList", list, output.View{Names: names, Table: func(w io.Writer) error {
		if len(list) == 0 {
			return nil
		}
		grid := output.NewGrid("ID", "TENANT", "TYPE", "QUEUE", "ATTEMPTS", "PUBLISHED", "REASON")
		for _, m := range list {
			grid.Row(m.ID, string(m.Tenant), m.Type, m.Queue, strconv.Itoa(m.Attempt), look.Age(f.now().Sub(m.Occurred))+" ago", m.Reason)
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}

func runDLQShow(ctx context.Context, o *dlqOptions) error {
	_, found, err := o.parked(ctx)
	if err != nil {
		return err
	}
	m := found[0]
	return o.Factory.Printer().One("ParkedMessage", m, output.View{Names: []string{"message/" + m.ID}, Table: func(w io.Writer) error {
		payload, err := json.MarshalIndent(m.Payload, "", "  ")
		if err != nil {
			payload = m.Payload // whatever it is
		}
		_, err = fmt.Fprintf(w, "id         %s\ntenant     %s\ntype       %s, version %d\nsource     %s\nqueue      %s\npublished  %s\nparked     %s\nattempts   %d\ntrace      %s\nreason     %s\n\n%s\n",
			m.ID, m.Tenant, m.Type, m.Version, m.Source, m.Queue, moment(m.Occurred), moment(m.Since), m.Attempt, m.Traceparent, m.Reason, payload)
		return err
	}})
}

// moment is a time as people read it.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func runDLQReplay(ctx context.Context, o *dlqOptions) error {
	broker, found, err := o.parked(ctx)
	if err != nil {
		return err
	}
	done, err := broker.Replay(ctx, among(found))
	o.Factory.Tell("%s replayed; what fails again is parked again", look.Plural(int64(len(done)), "message", "messages"))
	if err != nil {
		return err
	}
	return o.Factory.printParked(done)
}

func runDLQPurge(ctx context.Context, o *dlqOptions) error {
	f := o.Factory
	broker, found, err := o.parked(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		f.Tell("no messages are parked")
		return f.printParked(nil)
	}
	if err := o.confirm(ctx, len(found)); err != nil {
		return err
	}
	done, err := broker.Purge(ctx, among(found))
	f.Tell("%s removed", look.Plural(int64(len(done)), "message", "messages"))
	if err != nil {
		return err
	}
	return f.printParked(done)
}

// confirm wants the number of messages, typed or given.
func (o *dlqOptions) confirm(ctx context.Context, n int) error {
	f := o.Factory
	s, err := f.Settings()
	if err != nil {
		return err
	}
	answer, what := o.Confirm, look.Plural(int64(n), "message", "messages")
	if answer == "" && !s.NoInput && f.Streams.CanAsk() {
		f.Warn("this removes %s for good", what)
		if answer, err = f.Streams.Ask(ctx, "Type their number to confirm", ""); err != nil {
			return err
		}
	}
	switch answer {
	case strconv.Itoa(n):
		return nil
	case "":
		return tenant.WithHint(&invalidUsage{fmt.Sprintf("to purge %s needs a confirmation", what)}, fmt.Sprintf("add --confirm=%d", n))
	}
	return &invalidUsage{fmt.Sprintf("the confirmation %q isn't the number of messages, %d; nothing was removed", answer, n)}
}

// among chooses the messages that were looked at before, and none that came since.
func among(list []bus.Parked) func(bus.Parked) bool {
	return func(p bus.Parked) bool {
		return slices.ContainsFunc(list, func(known bus.Parked) bool { return known.ID == p.ID && known.Queue == p.Queue })
	}
}
