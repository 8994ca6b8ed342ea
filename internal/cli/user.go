package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/tenant"
)

type userAddOptions struct {
	Factory       *Factory
	Tenant, Login string
	Role          string
	PasswordStdin bool
}

func newCmdUser(f *Factory) *cobra.Command {
	return group("user", "Let a tenant's first user in", `Let users into a tenant of the running platform. The first one has to come from here: whoever adds users by the
API must be one.`, newCmdUserAdd(f, nil))
}

func newCmdUserAdd(f *Factory, runF func(context.Context, *userAddOptions) error) *cobra.Command {
	opts := &userAddOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "add TENANT LOGIN",
		Short: "Add a user with a password",
		Long: `Add a user to a tenant, by the running services users and auth, in the name of whoever types this. The password is read from
standard input or made, and printed once.

It signs a token for that tenant with the platform's keys, which this machine must have.`,
		Example: `  tenantctl user add client-x ann --role admin
  pass show client-x/ann | tenantctl user add client-x ann --password-stdin`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 { //nolint:mnd // a tenant and a login
				return usageError(cmd, "", "%s takes a tenant and a login", cmd.CommandPath())
			}
			opts.Tenant, opts.Login = args[0], args[1]
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runUserAdd(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Role, "role", "admin", "what the user may do: admin, user, readonly, or a role of the tenant's own")
	cmd.Flags().BoolVar(&opts.PasswordStdin, "password-stdin", false, "read the password from the first line of standard input")
	return cmd
}

func runUserAdd(ctx context.Context, opts *userAddOptions) error {
	f := opts.Factory
	name, err := tenant.ParseName(opts.Tenant)
	if err != nil {
		return err
	}
	password, made, err := opts.password()
	if err != nil {
		return err
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	if _, err := records.Tenant(ctx, name); err != nil {
		return err
	}
	file, err := f.Config()
	if err != nil {
		return err
	}
	p := &platform{f: f, records: records}
	if p.authority, err = authorities(file.Platform().CA); err != nil {
		return err
	}
	id, err := p.addUser(ctx, name, opts.Login, opts.Role, password)
	if err != nil {
		return err
	}
	result := map[string]string{"tenant": string(name), "id": id, "login": opts.Login, "role": opts.Role}
	if made {
		result["password"] = password
	}
	printer := f.Printer()
	return printer.One("User", result, output.View{Names: []string{"user/" + id}, Table: func(w io.Writer) error {
		grid := output.NewGrid("TENANT", "LOGIN", "ROLE", "ID", "PASSWORD")
		shown := "as given"
		if made {
			shown = password
		}
		grid.Row(string(name), opts.Login, opts.Role, id, shown)
		return grid.Write(w, printer.Width, printer.Color)
	}})
}

// password is the one given, or one that is made.
func (o *userAddOptions) password() (password string, made bool, err error) {
	if !o.PasswordStdin {
		return rand.Text(), true, nil
	}
	line, err := bufio.NewReader(o.Factory.Streams.In).ReadString('\n')
	password = strings.TrimRight(line, "\r\n")
	if password == "" {
		return "", false, &invalidUsage{"--password-stdin: standard input has no password"}
	}
	if err == io.EOF {
		err = nil
	}
	return password, false, err
}

// addUser asks the services in the name of this process's user.
func (p *platform) addUser(ctx context.Context, name tenant.Name, login, role, password string) (id string, err error) {
	keys, err := p.f.keyring()
	if err != nil {
		return "", err
	}
	raw, err := keys.Sign(token.Claims{
		Tenant: name, Subject: "operator", Login: p.f.actor(), Permissions: []string{"*"}, Use: token.Access, Expires: time.Now().Add(time.Minute),
	})
	if err != nil {
		return "", tenant.WithHint(err, "run this where the platform's keys are (`tenantctl keys list`); `tenantctl serve auth` makes the first")
	}
	header := http.Header{"Authorization": {"Bearer " + raw}}
	var made struct {
		ID string `json:"id"`
	}
	err = p.ask(ctx, users.Service, call.Request{Method: http.MethodPost, Path: "/v1/users", Header: header, Body: map[string]any{"login": login, "roles": []string{role}}}, &made)
	if err != nil {
		return "", err
	}
	return made.ID, p.ask(ctx, auth.Service, call.Request{
		Method: http.MethodPut, Path: "/v1/auth/users/" + url.PathEscape(made.ID) + "/password", Header: header, Body: map[string]string{"password": password},
	}, nil)
}

// ask calls a running service once.
func (p *platform) ask(ctx context.Context, service string, request call.Request, into any) error {
	at, err := p.url(ctx, service)
	if err != nil {
		return err
	}
	client, err := call.New(call.Options{Target: service, URL: at, Attempts: 1, Transport: p.transport()})
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Do(ctx, request, into)
}
