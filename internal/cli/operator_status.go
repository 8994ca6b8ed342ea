package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/operator"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

type operatorStatusOptions struct{ Factory *Factory }

func newCmdOperatorStatus(f *Factory, runF func(context.Context, *operatorStatusOptions) error) *cobra.Command {
	opts := &operatorStatusOptions{Factory: f}
	return &cobra.Command{
		Use:   "status",
		Short: "Show which operators run, what file they follow, and what doesn't work",
		Long: `Show which operators run, which one leads, what content of tenants.yaml the fleet follows, what waits to be accepted or was paused, and
each tenant that isn't as declared, with the reason. It asks the control database, which tenants.yaml names: while that file can't be read, it
ends with 3 and asks nobody. Operators go on with the file before then: status --server asks one of them, and -f takes another file.`,
		Example: "  tenantctl operator status\n  tenantctl operator status -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runOperatorStatus(cmd.Context(), opts)
		},
	}
}

func runOperatorStatus(ctx context.Context, opts *operatorStatusOptions) error {
	f := opts.Factory
	store, records, err := f.operatorStore(ctx)
	if err != nil {
		return err
	}
	state, err := operator.StateOf(ctx, store, records)
	if err != nil {
		return err
	}
	p := f.Printer()
	var names []string
	for _, r := range state.Replicas {
		names = append(names, "operator/"+r.ID)
	}
	return p.One("OperatorStatus", state, output.View{Names: names, Table: func(w io.Writer) error { return f.writeOperatorState(w, p, state) }})
}

// operatorStore opens the operators' records to read them.
func (f *Factory) operatorStore(ctx context.Context) (*operator.Store, *registry.Registry, error) {
	if _, err := f.Config(); err != nil {
		return nil, nil, tenant.WithHint(err, "mend it, or name a file that can be read by -f; operators go on with the one before (`tenantctl status --server URL` asks one of them)")
	}
	records, err := f.ExistingRegistry(ctx)
	if errors.Is(err, registry.ErrNotSetUp) {
		err = operator.NoneRan()
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := operator.ReadStore(ctx, records.Pool())
	return store, records, err
}

func (f *Factory) writeOperatorState(w io.Writer, p output.Printer, s operator.State) error {
	var text strings.Builder
	g := s.Generation
	switch {
	case g.Number == 0:
		fmt.Fprintln(&text, "the fleet follows no file yet")
	case g.Held != "":
		fmt.Fprintf(&text, "tenants.yaml %s (generation %d) WAITS: %s: %s\n", g.Token(), g.Number, g.Held, listed(g.Removals))
		fmt.Fprintf(&text, "nothing is done until `tenantctl operator accept %s`, or until the file is mended\n", g.Token())
	default:
		fmt.Fprintf(&text, "the fleet follows tenants.yaml %s (generation %d) since %s\n", g.Token(), g.Number, look.Clock(g.At, f.now()))
	}
	if len(s.Paused) > 0 {
		fmt.Fprintf(&text, "paused: %s\n", pausedText(s.Paused))
	}
	if len(s.Replicas) == 0 {
		fmt.Fprintln(&text, "no operator runs: `tenantctl operator` starts one")
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	if err := f.writeReplicas(w, p, s); err != nil {
		return err
	}
	return f.writeOpen(w, p, s)
}

// pausedText names together who was paused for one reason.
func pausedText(overrides []registry.Override) string {
	var whys []string
	byWhy := map[string][]tenant.Name{}
	for _, o := range overrides {
		name, why := o.Tenant, "by "+o.Actor+prefixed(": ", o.Reason)
		if name == "" {
			name = "the whole fleet"
		}
		if byWhy[why] == nil {
			whys = append(whys, why)
		}
		byWhy[why] = append(byWhy[why], name)
	}
	for i, why := range whys {
		whys[i] = listed(byWhy[why]) + " " + why
	}
	return strings.Join(whys, "; ")
}

func (f *Factory) writeReplicas(w io.Writer, p output.Printer, s operator.State) error {
	if len(s.Replicas) == 0 {
		return nil
	}
	grid := output.NewGrid("OPERATOR", "ROLE", "FILE", "SINCE").Style("leads", terminal.Green)
	for _, r := range s.Replicas {
		role, file := "works", short(r.Hash)
		if r.Leads {
			role = "leads"
		}
		switch {
		case r.Trouble != "":
			file = "broken, keeps " + first(short(r.Hash), "nothing") + ": " + strings.SplitN(r.Trouble, "\n", 2)[0]
		case s.Generation.Number > 0 && r.Hash != s.Generation.Hash:
			role, file = "stands by", file+" isn't what the fleet follows"
		}
		grid.Row(r.Holder, role, file, look.Clock(r.Started, f.now()))
	}
	return grid.Write(w, p.Width, p.Color)
}

// writeOpen lists what isn't as declared.
func (f *Factory) writeOpen(w io.Writer, p output.Printer, s operator.State) error {
	if len(s.Open) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	grid := output.NewGrid("TENANT", "TASK", "RESULT", "TRIES", "NEXT", "WHY").Style(string(operator.Refused), terminal.Red).Style(string(operator.Failed), terminal.Yellow)
	for _, r := range s.Open {
		next := ""
		switch {
		case r.RetryAt != nil:
			next = look.Clock(*r.RetryAt, f.now())
		case r.Result == operator.Refused:
			next = "when declared anew"
		}
		grid.Row(first(string(r.Tenant), "(fleet)"), string(r.Task), string(r.Result), fmt.Sprint(r.Attempts), next, maskText(strings.SplitN(r.Message, "\n", 2)[0]))
	}
	return grid.Write(w, p.Width, p.Color)
}

func short(hash string) string { return operator.Generation{Hash: hash}.Token() }

type operatorAcceptOptions struct {
	Factory *Factory
	Token   string
}

func newCmdOperatorAccept(f *Factory, runF func(context.Context, *operatorAcceptOptions) error) *cobra.Command {
	opts := &operatorAcceptOptions{Factory: f}
	return &cobra.Command{
		Use:   "accept TOKEN",
		Short: "Let a change go ahead that takes many tenants out of service",
		Long: `Let a change of tenants.yaml go ahead that waits because it takes many tenants out of service. The token names exactly that content of the
file; operator status shows it with the tenants that are meant.`,
		Example: "  tenantctl operator status\n  tenantctl operator accept 3f9a61c02b7d",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(cmd, "`tenantctl operator status` shows it", "%s takes the token of the change", cmd.CommandPath())
			}
			opts.Token = args[0]
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runOperatorAccept(cmd.Context(), opts)
		},
	}
}

func runOperatorAccept(ctx context.Context, opts *operatorAcceptOptions) error {
	f := opts.Factory
	store, records, err := f.operatorStore(ctx)
	if err != nil {
		return err
	}
	g, err := store.Accept(ctx, opts.Token, f.actor())
	if err != nil {
		return err
	}
	message := fmt.Sprintf("tenants.yaml %s was accepted: %d tenants go out of service", g.Token(), len(g.Removals))
	if err := records.Publish(ctx, tenant.Event{Type: "operator.change_accepted", Actor: f.actor(), Message: message}); err != nil {
		return err
	}
	return f.Printer().One("Generation", g, output.View{Names: []string{"generation/" + g.Token()}, Table: func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "accepted: %s out of service: %s\n", look.Plural(int64(len(g.Removals)), "tenant goes", "tenants go"), listed(g.Removals))
		return err
	}})
}

type pauseOptions struct {
	Factory   *Factory
	Selection selection
	Reason    string
}

func newCmdPause(f *Factory, runF func(context.Context, *pauseOptions) error) *cobra.Command {
	opts := &pauseOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "pause [NAME...]",
		Short: "Have the operator leave tenants, or the fleet, alone",
		Long: `Have the operator leave tenants alone, or with --all the whole fleet, tenants to come included, until unpause. What is under way is
brought to its end. Commands go on working: pause concerns the operator, suspend a tenant's service.`,
		Example: "  tenantctl pause client-x --reason 'looking into ticket 4711'\n  tenantctl pause --all",
	}
	return pauseCommand(opts, cmd, runF, runPause)
}

func newCmdUnpause(f *Factory, runF func(context.Context, *pauseOptions) error) *cobra.Command {
	opts := &pauseOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "unpause [NAME...]",
		Short: "Have the operator look after tenants, or the fleet, again",
		Long: `Have the operator look after tenants again, or with --all the fleet. Tenants that were paused by name stay so when the fleet's pause is
lifted.`,
		Example: "  tenantctl unpause client-x\n  tenantctl unpause --all",
	}
	return pauseCommand(opts, cmd, runF, runUnpause)
}

func pauseCommand(opts *pauseOptions, cmd *cobra.Command, runF, run func(context.Context, *pauseOptions) error) *cobra.Command {
	if runF == nil {
		runF = run
	}
	cmd.Args = opts.Selection.some(opts.Factory, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), opts) }
	opts.Selection.flags(opts.Factory, cmd)
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	return cmd
}

// subjects are whom a pause is about: "" for the fleet.
func (o *pauseOptions) subjects(ctx context.Context) ([]tenant.Name, error) {
	if o.Selection.All {
		return []tenant.Name{""}, nil
	}
	fleet, err := o.Factory.fleet(ctx, &o.Selection)
	var names []tenant.Name
	for _, t := range fleet {
		names = append(names, t.Name)
	}
	return names, err
}

func runPause(ctx context.Context, opts *pauseOptions) error {
	return opts.each(ctx, func(records *registry.Registry, name tenant.Name) (string, error) {
		err := records.SetOverride(ctx, operator.Pause(name, opts.Factory.actor(), opts.Reason))
		return "paused", err
	})
}

func runUnpause(ctx context.Context, opts *pauseOptions) error {
	return opts.each(ctx, func(records *registry.Registry, name tenant.Name) (string, error) {
		err := records.ClearOverride(ctx, name, operator.Pause(name, "", "").Kind, opts.Factory.actor())
		if errors.Is(err, tenant.ErrNotFound) {
			return "wasn't paused", nil
		}
		return "looked after again", err
	})
}

func (o *pauseOptions) each(ctx context.Context, do func(*registry.Registry, tenant.Name) (string, error)) error {
	f := o.Factory
	names, err := o.subjects(ctx)
	if err != nil {
		return err
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	type result struct {
		Tenant tenant.Name `json:"tenant"` // empty: the fleet
		Result string      `json:"result"`
	}
	results := []result{}
	for _, name := range slices.Sorted(slices.Values(names)) {
		said, err := do(records, name)
		if err != nil {
			return err
		}
		results = append(results, result{name, said})
	}
	return f.Printer().List("PauseList", results, output.View{Table: func(w io.Writer) error {
		for _, r := range results {
			if _, err := fmt.Fprintf(w, "%s: %s\n", first(string(r.Tenant), "the fleet"), r.Result); err != nil {
				return err
			}
		}
		return nil
	}})
}
