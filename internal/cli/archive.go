package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/look"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

type archiveOptions struct {
	Factory   *Factory
	Selection selection
	Dir       string
	Reason    string
	Snapshot  bool
}

func newCmdArchive(f *Factory, runF func(context.Context, *archiveOptions) error) *cobra.Command {
	opts := &archiveOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "archive [NAME...]",
		Short: "Keep tenants' data in files and take their service away",
		Long: `Keep tenants' data in files: a dump that plain pg_restore restores, and beside it a manifest with checksums and row counts. Before
the dump is made the tenant's service is taken away, so that nothing is written behind it; its schema stays where it is, and
resume gives the service back. With --snapshot only the files are written and the tenant stays as it is.`,
		Example: `  tenantctl archive client-x --reason 'contract ended'
  tenantctl archive --all --snapshot --dir /backup/tenants`,
		Args: opts.Selection.some(f, true),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runArchive(cmd.Context(), opts)
		},
	}
	opts.Selection.flags(f, cmd)
	cmd.Flags().StringVar(&opts.Dir, "dir", "", "folder for the files (default: .tenantctl/archives beside tenants.yaml)")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for the records")
	cmd.Flags().BoolVar(&opts.Snapshot, "snapshot", false, "write the files and leave the tenant as it is")
	return cmd
}

func runArchive(ctx context.Context, opts *archiveOptions) error {
	return opts.Factory.changeStates(ctx, &opts.Selection, "archive", provisionerOptions{ArchiveDir: opts.Dir}, func(ctx context.Context, w *stateWork) outcome {
		return w.archive(ctx, opts)
	})
}

// archive suspends first, so that the dump misses nothing that a service wrote.
func (w *stateWork) archive(ctx context.Context, opts *archiveOptions) outcome {
	if !opts.Snapshot {
		if o := w.change(ctx, tenant.Suspended, opts.Reason); o.err != nil {
			return o
		}
	}
	manifest, err := w.home.Archive(ctx, w.Spec)
	if err != nil {
		return failedOutcome(w.Name, err)
	}
	if !opts.Snapshot {
		if err := w.records.SetState(ctx, w.Name, tenant.Archived, w.factory.actor(), opts.Reason); err != nil {
			return failedOutcome(w.Name, err)
		}
		if err := w.override(ctx, tenant.Archived, opts.Reason); err != nil {
			return failedOutcome(w.Name, err)
		}
	}
	return outcome{Tenant: w.Name, Result: resultDone, Archive: manifest.File, Detail: archiveText(manifest)}
}

func archiveText(m provision.Manifest) string {
	var rows int64
	for _, t := range m.Tables {
		rows += t.Rows
	}
	return fmt.Sprintf("%s: %s, %s in %s", m.File, look.Bytes(m.Bytes), look.Plural(rows, "row", "rows"), look.Plural(int64(len(m.Tables)), "table", "tables"))
}

type deleteOptions struct {
	Factory   *Factory
	Name      string
	Confirm   string
	NoArchive bool
	Dir       string
	Reason    string
}

func newCmdDelete(f *Factory, runF func(context.Context, *deleteOptions) error) *cobra.Command {
	opts := &deleteOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove a tenant and its data for good",
		Long: `Remove a tenant for good: its schemas, its roles and its records. An archive is made first, from which pg_restore brings the data
back, unless --no-archive says otherwise. The name has to be typed, or given with --confirm; --yes doesn't count here. What
tenantctl didn't make is never touched, and a tenant that still owns something elsewhere isn't removed.

Take the tenant out of tenants.yaml as well, or the next apply makes it anew.`,
		Example: "  tenantctl delete client-x\n  tenantctl delete client-x --confirm=client-x --no-archive",
		Args:    f.oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDelete(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Confirm, "confirm", "", "the tenant's name once more, instead of typing it")
	flags.BoolVar(&opts.NoArchive, "no-archive", false, "keep nothing of the data")
	flags.StringVar(&opts.Dir, "dir", "", "folder for the archive (default: .tenantctl/archives beside tenants.yaml)")
	flags.StringVar(&opts.Reason, "reason", "", "why, for the records")
	return cmd
}

// deletion is what delete prints.
type deletion struct {
	Tenant  tenant.Name `json:"tenant"`
	Schemas []string    `json:"schemas"`
	Roles   []string    `json:"roles"`
	Archive string      `json:"archive,omitempty"`
}

func runDelete(ctx context.Context, opts *deleteOptions) error {
	f := opts.Factory
	fleet, err := f.fleet(ctx, &selection{Names: []string{opts.Name}})
	if err != nil {
		return err
	}
	t := fleet[0]
	if err := opts.confirm(ctx, t); err != nil {
		return err
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	p, err := f.Provisioner(ctx, t.Spec.Instance, records, provisionerOptions{ArchiveDir: opts.Dir})
	if err != nil {
		return err
	}
	keep := provision.KeepArchive
	if opts.NoArchive {
		keep = provision.KeepNothing
	}
	var done provision.Deletion
	err = withLease(ctx, records, t.Name, func(ctx context.Context) (err error) {
		done, err = p.Delete(ctx, t.Spec, keep, opts.Reason)
		return err
	})
	if err != nil {
		return err
	}
	if t.Declared {
		f.Warn("%s is still declared: take it out of tenants.yaml, or the next apply makes it anew", t.Name)
	}
	return f.printDeletion(t.Name, done)
}

// confirm wants the name, typed or given.
func (o *deleteOptions) confirm(ctx context.Context, t reconcile.Tenant) error {
	f := o.Factory
	s, err := f.Settings()
	if err != nil {
		return err
	}
	answer := o.Confirm
	if answer == "" && !s.NoInput && f.Streams.CanAsk() {
		kept := "an archive is made first"
		if o.NoArchive {
			kept = "and nothing is kept"
		}
		f.Warn("this removes tenant %s with schema %s on %s for good; %s", t.Name, t.Spec.Schema, t.Spec.Instance, kept)
		if answer, err = f.Streams.Ask(ctx, "Type the tenant's name to confirm", ""); err != nil {
			return err
		}
	}
	switch {
	case answer == string(t.Name):
		return nil
	case answer == "":
		return tenant.WithHint(&invalidUsage{fmt.Sprintf("delete %s needs a confirmation", t.Name)}, fmt.Sprintf("`tenantctl delete %[1]s --confirm=%[1]s`", t.Name))
	}
	return &invalidUsage{fmt.Sprintf("the confirmation %q isn't the tenant's name %q; nothing was removed", answer, t.Name)}
}

func (f *Factory) printDeletion(name tenant.Name, done provision.Deletion) error {
	shown := deletion{Tenant: name, Schemas: done.Schemas, Roles: done.Roles}
	kept := "nothing was kept"
	if done.Archive != nil {
		shown.Archive = done.Archive.File
		kept = "kept in " + archiveText(*done.Archive)
	}
	return f.Printer().One("Deletion", shown, output.View{
		Names: []string{"tenant/" + string(name)},
		Table: func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s is removed: %s, %s; %s\n", name, look.Plural(int64(len(done.Schemas)), "schema", "schemas"),
				look.Plural(int64(len(done.Roles)), "role", "roles"), kept)
			return err
		},
	})
}
