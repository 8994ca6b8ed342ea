package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/config"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// selection is which tenants a command is about: names, --all or --selector.
type selection struct {
	Names    []string `json:"names,omitempty"`
	All      bool     `json:"all,omitempty"`
	Selector string   `json:"selector,omitempty"`
}

// flags adds --all and --selector, and completes names.
func (s *selection) flags(f *Factory, cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.All, "all", false, "every tenant")
	cmd.Flags().StringVarP(&s.Selector, "selector", "l", "",
		"the tenants that match, such as ring=canary,state=active (keys: "+strings.Join(selectorKeys(), ", ")+")")
	cmd.ValidArgsFunction = f.completeTenants
}

// some is an argument check: exactly one way to say which tenants.
func (s *selection) some(f *Factory, required bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		s.Names = args
		for _, name := range args {
			if _, err := tenant.ParseName(name); err != nil {
				return err
			}
		}
		ways := 0
		for _, given := range []bool{len(args) > 0, s.All, s.Selector != ""} {
			if given {
				ways++
			}
		}
		switch {
		case ways > 1:
			return usageError(cmd, "", "give names, --all or --selector, one of them")
		case ways == 0 && required:
			return usageError(cmd, f.exampleFor(cmd), "%s needs the names of tenants, --all or --selector", cmd.CommandPath())
		}
		_, err := parseSelector(cmd, s.Selector)
		return err
	}
}

// completeTenants offers the names of tenants.yaml, which needs no server.
func (f *Factory) completeTenants(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	file, err := f.Config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range file.Tenants() {
		if !slices.Contains(args, string(name)) {
			names = append(names, string(name))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeTenant offers names to a command that takes one.
func (f *Factory) completeTenant(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return f.completeTenants(cmd, args, word)
}

// condition is one key of a selector with the values that it may have or mustn't.
type condition struct {
	key    string
	not    bool
	values []string
}

func selectorKeys() []string { return []string{"ring", "state", "instance", "route", "service"} }

// parseSelector reads ring=canary,state!=archived. A key given twice means either value.
func parseSelector(cmd *cobra.Command, text string) ([]condition, error) {
	if text == "" {
		return nil, nil
	}
	var conditions []condition
	for _, part := range strings.Split(text, ",") {
		key, value, found := strings.Cut(part, "=")
		key, not := strings.CutSuffix(key, "!")
		switch {
		case !found || value == "":
			return nil, usageError(cmd, "for example --selector ring=canary,state=active", "--selector: expected key=value, got %q", part)
		case !slices.Contains(selectorKeys(), key):
			message := fmt.Sprintf("--selector: unknown key %q", key)
			if near := nearest(key, selectorKeys()); near != "" {
				message += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, usageError(cmd, "the keys are "+strings.Join(selectorKeys(), ", "), "%s", message)
		}
		i := slices.IndexFunc(conditions, func(c condition) bool { return c.key == key && c.not == not })
		if i < 0 {
			conditions = append(conditions, condition{key: key, not: not})
			i = len(conditions) - 1
		}
		conditions[i].values = append(conditions[i].values, value)
	}
	return conditions, nil
}

func matches(t reconcile.Tenant, conditions []condition) bool {
	for _, c := range conditions {
		if slices.ContainsFunc(c.values, func(value string) bool { return has(t, c.key, value) }) == c.not {
			return false
		}
	}
	return true
}

func has(t reconcile.Tenant, key, value string) bool {
	switch key {
	case "ring":
		return t.Spec.Ring == value
	case "state":
		return string(t.State()) == value
	case "instance":
		return t.Spec.Instance == value
	case "route":
		return t.Status != nil && string(t.Status.Route) == value
	case "service":
		return slices.Contains(t.Spec.Services, value)
	}
	return false
}

// pick are the tenants that are meant, in order of their names. Statuses are what the records hold of them.
func (s *selection) pick(file *config.File, statuses []tenant.Status) ([]reconcile.Tenant, error) {
	if len(s.Names) > 0 {
		return pickNamed(file, statuses, s.Names)
	}
	fleet, err := reconcile.Fleet(file, statuses)
	if err != nil {
		return nil, err
	}
	conditions, err := parseSelector(&cobra.Command{Use: "tenantctl"}, s.Selector)
	if err != nil {
		return nil, err
	}
	var picked []reconcile.Tenant
	for _, t := range fleet {
		if matches(t, conditions) {
			picked = append(picked, t)
		}
	}
	return picked, nil
}

// fleet reads file and records, and picks. Records that aren't there yet are no error: then nothing was made.
func (f *Factory) fleet(ctx context.Context, s *selection) ([]reconcile.Tenant, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	var statuses []tenant.Status
	records, err := f.ExistingRegistry(ctx)
	switch {
	case errors.Is(err, registry.ErrNotSetUp):
	case err != nil:
		return nil, err
	default:
		var filter registry.StatusFilter
		for _, name := range s.Names {
			filter.Names = append(filter.Names, tenant.Name(name))
		}
		if statuses, err = records.Statuses(ctx, filter); err != nil {
			return nil, err
		}
	}
	return s.pick(file, statuses)
}

// pickNamed finds tenants by name; the error of one that is neither declared nor recorded says which name was likely meant.
func pickNamed(file *config.File, statuses []tenant.Status, names []string) ([]reconcile.Tenant, error) {
	var picked []reconcile.Tenant
	var missing []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		t := reconcile.Tenant{Name: tenant.Name(name)}
		for i := range statuses {
			if statuses[i].Name == t.Name {
				t.Status, t.Spec = &statuses[i], reconcile.RecordedSpec(&statuses[i])
			}
		}
		spec, err := file.Tenant(t.Name)
		if err == nil {
			t.Spec, t.Declared = spec, true
		} else if t.Status == nil {
			missing = append(missing, err)
			continue
		}
		picked = append(picked, t)
	}
	return picked, errors.Join(missing...)
}
