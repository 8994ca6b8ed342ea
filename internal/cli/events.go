package cli

import (
	"context"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type eventsOptions struct {
	Factory *Factory
	Follow  bool
	Tenant  string
	Type    string
	Since   time.Duration
	Limit   int
}

func newCmdEvents(f *Factory, runF func(context.Context, *eventsOptions) error) *cobra.Command {
	opts := &eventsOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List what happened, and follow what happens",
		Long: `List what happened to the tenants, oldest first: what was made, moved, routed, suspended, by whom. With --follow it goes on with
new events until Ctrl-C. Events are facts: each was recorded with the change that it tells of.

With -o json each event is a line of its own (NDJSON).`,
		Example: `  tenantctl events --since 1h
  tenantctl events -f --tenant client-x
  tenantctl events --type 'tenant.*' -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			if _, err := path.Match(opts.Type, ""); err != nil {
				return usageError(cmd, "for example --type 'tenant.*'", "--type: %q is no pattern", opts.Type)
			}
			if opts.Tenant == "" {
				return nil
			}
			_, err := tenant.ParseName(opts.Tenant)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runEvents(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opts.Follow, "follow", "f", false, "go on with new events until interrupted")
	flags.String(config.OptionFile, defaultOf(config.OptionFile), "tenants.yaml, or a folder of such files (here without -f)")
	flags.StringVar(&opts.Tenant, "tenant", "", "only events of this tenant")
	flags.StringVar(&opts.Type, "type", "*", "only events whose type matches, such as 'tenant.*'")
	flags.DurationVar(&opts.Since, "since", 0, "only events younger than this, such as 90m or 24h (default: the newest, see --limit)")
	flags.IntVar(&opts.Limit, "limit", defaultEvents, "at most so many of the newest; 0 for all")
	return cmd
}

const defaultEvents = 100

func runEvents(ctx context.Context, opts *eventsOptions) error {
	f := opts.Factory
	records, err := f.ExistingRegistry(ctx)
	if err != nil {
		return err
	}
	events, last, err := opts.recent(ctx, records)
	if err != nil {
		return err
	}
	p := f.Printer()
	for _, event := range events {
		if err := printEvent(p, event); err != nil {
			return err
		}
	}
	if !opts.Follow {
		if len(events) == 0 {
			f.Tell("no events")
		}
		return nil
	}
	for event, err := range records.Follow(ctx, last, registry.EventFilter{Tenant: tenant.Name(opts.Tenant)}) {
		if err != nil {
			return err
		}
		if !opts.matches(event) {
			continue
		}
		if err := printEvent(p, event); err != nil {
			return err
		}
	}
	return silent(ctx.Err()) // the end that was asked for
}

const firstPage = 1000

// recent are the newest events that are asked for, and the id after which new ones follow. It reads ever more of the newest
// until there are enough, or all.
func (o *eventsOptions) recent(ctx context.Context, records *registry.Registry) (found []tenant.Event, last int64, err error) {
	var oldest time.Time
	if o.Since > 0 {
		oldest = o.Factory.now().Add(-o.Since)
	}
	for page := firstPage; ; page *= 4 {
		filter := registry.EventFilter{Tenant: tenant.Name(o.Tenant), Limit: page, Newest: true}
		events, err := records.Events(ctx, 0, filter)
		if err != nil {
			return nil, 0, err
		}
		found = found[:0]
		for _, event := range events {
			last = event.ID
			if !event.Time.Before(oldest) && o.matches(event) {
				found = append(found, event)
			}
		}
		whole := len(events) < page
		enough := o.Limit > 0 && len(found) >= o.Limit
		if whole || enough || events[0].Time.Before(oldest) {
			break
		}
	}
	if o.Limit > 0 && len(found) > o.Limit {
		found = found[len(found)-o.Limit:]
	}
	return found, last, nil
}

func (o *eventsOptions) matches(event tenant.Event) bool {
	matched, _ := path.Match(o.Type, event.Type) // the pattern was checked
	return matched
}

func printEvent(p output.Printer, event tenant.Event) error {
	return p.Line("Event", event, output.View{
		Names: []string{fmt.Sprintf("event/%d", event.ID)},
		Table: func(w io.Writer) error {
			name := string(event.Tenant)
			if name == "" {
				name = "-"
			}
			_, err := fmt.Fprintf(w, "%s  %-16s  %-26s  %s  (%s)\n", event.Time.Local().Format(time.DateTime), name, event.Type, event.Message, event.Actor)
			return err
		},
	})
}
