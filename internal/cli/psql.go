package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

type psqlOptions struct {
	Factory *Factory
	Name    string
	Write   bool
	Command string
	Service string
	Args    []string // for psql itself
}

func newCmdPsql(f *Factory, runF func(context.Context, *psqlOptions) error) *cobra.Command {
	opts := &psqlOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "psql NAME [-- PSQL-ARGUMENT...]",
		Short: "Open psql in a tenant's schema, with the tenant's own role",
		Long: `Open psql in a tenant's schema, with the role and search path that its services have: what the tenant may not do, this session
can't do either. Sessions are read only unless --write says otherwise. Arguments behind -- go to psql.`,
		Example: `  tenantctl psql client-x
  tenantctl psql client-x -c 'select count(*) from orders'
  tenantctl psql client-x --write -- -f repair.sql`,
		Args: func(cmd *cobra.Command, args []string) error {
			own := args
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				own, opts.Args = args[:dash], args[dash:]
			}
			if len(own) > 1 {
				return usageError(cmd, fmt.Sprintf("arguments of psql stand behind --: `tenantctl psql %s -- %s`", own[0], strings.Join(own[1:], " ")),
					"%s takes one tenant at a time, got %s", cmd.CommandPath(), strings.Join(own, ", "))
			}
			return f.oneTenant(cmd, own)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runPsql(cmd.Context(), opts)
		},
		ValidArgsFunction: f.completeTenant,
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.Write, "write", false, "allow writes")
	flags.StringVarP(&opts.Command, "command", "c", "", "run this SQL and end")
	flags.StringVar(&opts.Service, "service", "", "whose role to take (default: the tenant's first service, or legacy where it was lifted)")
	return cmd
}

func runPsql(ctx context.Context, opts *psqlOptions) error {
	f := opts.Factory
	fleet, err := f.fleet(ctx, &selection{Names: []string{opts.Name}})
	if err != nil {
		return err
	}
	t := fleet[0]
	if t.Status == nil {
		return tenant.WithHint(fmt.Errorf("tenant %s isn't there yet: %w", t.Name, tenant.ErrNotFound), fmt.Sprintf("`tenantctl provision %s` makes it", t.Name))
	}
	service, err := opts.service(t)
	if err != nil {
		return err
	}
	seat, err := f.seat(ctx, t, service)
	if err != nil {
		return err
	}
	tools, err := postgres.FindTools()
	if err != nil {
		return err
	}
	args := opts.Args
	if opts.Command != "" {
		args = append([]string{"--no-psqlrc", "--command=" + opts.Command}, args...)
	}
	cmd, err := tools.Command(ctx, "psql", seat.dsn, args...)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "PGOPTIONS="+strings.TrimSpace(os.Getenv("PGOPTIONS")+" "+seat.options(opts.Write)))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f.Streams.In, f.Streams.Out, f.Streams.Err
	defer f.signals.leaveInterrupts()() // psql cancels its query at Ctrl-C
	return psqlError(cmd.Run())
}

// psqlError keeps quiet about what psql has said itself.
func psqlError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return silent(err)
	}
	if err != nil {
		return tenant.WithHint(fmt.Errorf("run psql: %w", err), "install PostgreSQL's client programs (Debian: `apt-get install postgresql-client`)")
	}
	return nil
}

// service is whose role the session takes.
func (o *psqlOptions) service(t reconcile.Tenant) (string, error) {
	services := slices.Clone(t.Status.Services)
	switch {
	case len(services) == 0 || len(t.Status.SearchPath) > 0 && t.Spec.Mapping == "":
		services = append([]string{liftedService}, services...)
	case len(t.Status.SearchPath) > 0:
		services = append(services, liftedService) // what was lifted beside the mapped tables
	}
	if o.Service == "" {
		return services[0], nil
	}
	if !slices.Contains(services, o.Service) {
		return "", tenant.WithHint(&invalidUsage{fmt.Sprintf("tenant %s has no service %q", t.Name, o.Service)}, "it has "+strings.Join(services, ", "))
	}
	return o.Service, nil
}

// liftedService stands in the names of roles for a tenant's old application.
const liftedService = "legacy"

// seat is with what a session works for a tenant.
type seat struct {
	dsn, role string
	path      []string
}

// options are the session's settings. They are the server's to read: spaces and backslashes are escaped.
func (s seat) options(write bool) string {
	quoted := make([]string, len(s.path))
	for i, schema := range s.path {
		quoted[i] = postgres.Ident(schema)
	}
	escape := strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace
	options := "-c role=" + escape(s.role) + " -c search_path=" + escape(strings.Join(quoted, ","))
	if !write {
		options += " -c default_transaction_read_only=on"
	}
	return options
}

// seat finds a connection that may become the tenant's role: the administrator's, where it is a superuser or a member, else
// that of the cell's login.
func (f *Factory) seat(ctx context.Context, t reconcile.Tenant, service string) (seat, error) {
	dsn, err := f.InstanceDSN(ctx, t.Spec.Instance)
	if err != nil {
		return seat{}, err
	}
	file, err := f.Config()
	if err != nil {
		return seat{}, err
	}
	instance, err := file.Instance(t.Spec.Instance)
	if err != nil {
		return seat{}, err
	}
	role, err := t.Name.RoleFor(instance.RolePrefix, service)
	if err != nil {
		return seat{}, err
	}
	path := t.Status.SearchPath
	if len(path) == 0 {
		path = []string{t.Spec.Schema, provision.Ext}
	}
	may, err := mayBecome(ctx, dsn, role)
	if err != nil || may {
		return seat{dsn: dsn, role: role, path: path}, err
	}
	p, err := f.Provisioner(ctx, t.Spec.Instance, nil, provisionerOptions{})
	if err != nil {
		return seat{}, err
	}
	login, err := p.Login(t.Status.Cell, service)
	if err != nil {
		return seat{}, err
	}
	return seat{dsn: withLogin(dsn, login.Role, login.Password), role: role, path: path}, nil
}

// mayBecome tells whether a connection's user can take a role. One that isn't there is told by name.
func mayBecome(ctx context.Context, dsn, role string) (bool, error) {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "psql"})
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there, may bool
	err = conn.QueryRow(ctx, `
		select count(*) > 0, coalesce(bool_or(pg_has_role(current_user, oid, 'MEMBER')), false)
		from pg_roles where rolname = $1`, role).Scan(&there, &may)
	if err != nil {
		return false, fmt.Errorf("look for role %q: %w", role, err)
	}
	if !there {
		return false, tenant.WithHint(fmt.Errorf("role %q: %w", role, tenant.ErrNotFound), "`tenantctl apply` makes what is missing")
	}
	return may, nil
}

// withLogin is a connection string for another user of the same database.
func withLogin(dsn, user, password string) string {
	if parsed, err := url.Parse(dsn); err == nil && parsed.Scheme != "" {
		parsed.User = url.UserPassword(user, password)
		return parsed.String()
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	return fmt.Sprintf("%s user='%s' password='%s'", dsn, escape(user), escape(password))
}
