package cli

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/platform/gateway"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/tenant"
)

type serveOptions struct {
	Factory  *Factory
	Services []string // in the order of serviceOrder
	Listen   string
	Admin    string // where the gateway tells its metrics; empty: nowhere
	Domain   string // empty: tenants.yaml's
	Tenant   string // whose database the service legacy works on
}

const defaultListen = "127.0.0.1:8080"

func newCmdServe(f *Factory, runF func(context.Context, *serveOptions) error) *cobra.Command {
	opts := &serveOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "serve SERVICE...|all",
		Short: "Run services of the platform",
		Long: `Run services of the platform until interrupted: ` + strings.Join(allServices(), ", ") + `.

With several of them, or "all", the gateway answers at --listen and the others at free ports of this machine, known to one another.
A service that runs by itself finds the others by services.NAME.url in tenants.yaml, or by what they wrote into the control database
(` + "`tenantctl services`" + ` shows it).

With bus and notifications among the services of tenants.yaml, events go through RabbitMQ: the one of broker.url, or a private one of this
machine. "all" leaves notifications out where they aren't there, and messaging where it isn't.

"all" leaves out ` + legacy.Service + `: the old monolith, over one client's own database (legacy.dsn), with the platform's API as far as that schema goes. The
gateway finds it by legacy.url, or by what it wrote into the control database.

The section platform of tenants.yaml says with which certificate --listen answers, which authorities and Redis the services use, and what each
process may take. Metrics are at /metrics of each service; the gateway, which the public reaches, tells its own at --admin-listen only.

A request names its tenant by its token or, before it has one, by its host: TENANT.DOMAIN. Interrupted once, services say that they
aren't ready, end the requests they have, and stop.`,
		Example: `  tenantctl serve all
  tenantctl serve all --listen :8080 --domain example.com --admin-listen 127.0.0.1:9901
  tenantctl serve core --listen 10.0.0.7:8081
  tenantctl serve legacy --tenant client-x --listen 127.0.0.1:0
  curl --resolve client-x.localhost:8080:127.0.0.1 http://client-x.localhost:8080/v1/auth/login -H 'content-type: application/json' \
    -d '{"login": "ann", "password": "..."}'`,
		ValidArgs: append(allServices(), "all"),
		Args: func(cmd *cobra.Command, args []string) (err error) {
			opts.Services, err = chosenServices(args)
			if err != nil {
				return usageError(cmd, "the services are: "+strings.Join(allServices(), ", ")+", or all of the platform's: `tenantctl serve all`", "%v", err)
			}
			if opts.Admin != "" && !slices.Contains(opts.Services, gateway.Service) {
				return usageError(cmd, "", "--admin-listen is the gateway's; the other services tell their metrics where they answer")
			}
			if slices.Contains(opts.Services, legacy.Service) != (opts.Tenant != "") {
				return usageError(cmd, "tenantctl serve legacy --tenant client-x", "the service legacy is one client's, and no other service is: --tenant goes with it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runServe(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Listen, "listen", defaultListen, "address to answer at; with several services it is the gateway's")
	cmd.Flags().StringVar(&opts.Tenant, "tenant", "", "client whose monolith legacy is")
	cmd.Flags().StringVar(&opts.Admin, "admin-listen", "", "address at which the gateway tells its metrics, too, for nobody but the operators; without it: nowhere")
	cmd.Flags().StringVar(&opts.Domain, "domain", "", "hosts TENANT.DOMAIN name their tenant; without it: platform.domain of tenants.yaml, or localhost")
	return cmd
}

// allServices are the platform's and the monolith.
func allServices() []string { return append(slices.Clone(serviceOrder), legacy.Service) }

// chosenServices are those named, each once and in their order.
func chosenServices(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("which service is to run?")
	}
	if slices.Equal(args, []string{"all"}) {
		return serviceOrder, nil
	}
	for _, name := range args {
		if !slices.Contains(allServices(), name) {
			return nil, fmt.Errorf("there is no service %q", name)
		}
	}
	return slices.DeleteFunc(allServices(), func(name string) bool { return !slices.Contains(args, name) }), nil
}

func runServe(ctx context.Context, opts *serveOptions) error {
	f := opts.Factory
	file, err := f.Config()
	if err != nil {
		return err
	}
	if opts.Services, err = runnableServices(file, opts.Services); err != nil {
		return err
	}
	p, err := newPlatform(ctx, f, opts)
	if err != nil {
		return err
	}
	if err := p.openBus(ctx, opts.Services); err != nil {
		return err
	}
	listeners, err := openListeners(ctx, opts)
	if err != nil {
		return err
	}
	p.front = front(opts.Services)
	for name, listener := range listeners {
		p.own[name] = p.scheme(name) + reachable(listener.Addr())
	}
	var list []runnable
	for _, name := range opts.Services {
		s, err := p.service(ctx, name)
		if err != nil {
			for _, listener := range listeners {
				_ = listener.Close()
			}
			return fmt.Errorf("service %s: %w", name, err)
		}
		list = append(list, runnable{service: s, listener: listeners[name], url: p.own[name]})
	}
	f.Tell("%s at %s", strings.Join(opts.Services, ", "), p.own[p.front])
	return p.run(ctx, list)
}

// front is the service that answers at --listen.
func front(services []string) string {
	if slices.Contains(services, gateway.Service) {
		return gateway.Service
	}
	return services[0]
}

// openListeners opens the addresses before any service begins, so that each knows where the others are.
func openListeners(ctx context.Context, opts *serveOptions) (map[string]net.Listener, error) {
	listeners := map[string]net.Listener{}
	for _, name := range opts.Services {
		address := "127.0.0.1:0"
		if name == front(opts.Services) {
			address = opts.Listen
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, tenant.WithHint(fmt.Errorf("listen at %s: %w", address, err), "give another address with --listen")
		}
		listeners[name] = listener
	}
	return listeners, nil
}

// reachable is an address that others on this machine can use; one that takes everybody is given by the machine's loopback.
func reachable(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
