package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/config"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/tenant"
)

type validateOptions struct {
	Factory *Factory
}

func newCmdValidate(f *Factory, runF func(context.Context, *validateOptions) error) *cobra.Command {
	opts := &validateOptions{Factory: f}
	return &cobra.Command{
		Use:   "validate",
		Short: "Check tenants.yaml and the files that it names",
		Long: `Check tenants.yaml, and the mapping and migration files that it names, without opening a connection. Every problem is listed with
its place. Variables that aren't set are no problem: each is needed only by the commands that use it; doctor tries them all.`,
		Example: "  tenantctl validate\n  tenantctl validate -f fleet/ -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runValidate(opts)
		},
	}
}

// validation is what validate found.
type validation struct {
	File     string            `json:"file"`
	Valid    bool              `json:"valid"`
	Tenants  int               `json:"tenants"`
	Problems []*config.Problem `json:"problems"`
	Unset    []string          `json:"unsetVariables"`
}

func runValidate(opts *validateOptions) error {
	f := opts.Factory
	s, err := f.Settings()
	if err != nil {
		return err
	}
	file, err := f.Config()
	found := validation{File: s.File, Problems: []*config.Problem{}, Unset: []string{}}
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		found.Problems = problems
	case err != nil:
		return err
	default:
		found.Tenants = len(file.Tenants())
		found.Problems = append(found.Problems, namedFiles(file, f.Warn)...)
		found.Unset = f.unset(file)
	}
	found.Valid = len(found.Problems) == 0
	err = f.Printer().One("Validation", found, output.View{
		Names: []string{"file/" + s.File},
		Table: func(w io.Writer) error { return found.write(w, file) },
	})
	if err != nil || found.Valid {
		return err
	}
	problems = found.Problems
	if s.Output != output.Table {
		return silent(problems)
	}
	return tenant.WithHint(problems, fmt.Sprintf("mend %s and run `tenantctl validate` again", plural(len(problems), "this", "these "+look.Count(int64(len(problems)))+" problems")))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// write tells of a file that is right; what is wrong goes to standard error.
func (v validation) write(w io.Writer, file *config.File) error {
	if !v.Valid {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s is valid: %s, %s, %s\n", v.File, look.Plural(int64(v.Tenants), "tenant", "tenants"),
		look.Plural(int64(len(file.Instances())), "instance", "instances"), look.Plural(int64(len(file.Streams())), "service", "services"))
	if err == nil && len(v.Unset) > 0 {
		_, err = fmt.Fprintf(w, "not set at the moment: %s\n", listed(v.Unset))
	}
	return err
}

// namedFiles checks the files of mappings and migrations that the file names, and warns of what may be right.
func namedFiles(file *config.File, warn func(format string, args ...any)) []*config.Problem {
	var problems []*config.Problem
	add := func(path string, err error) {
		var inner config.Problems
		if errors.As(err, &inner) {
			problems = append(problems, inner...)
			return
		}
		problems = append(problems, &config.Problem{Place: config.Place{File: file.Name()}, Path: path, Message: err.Error()})
	}
	for _, declared := range file.Streams() {
		s, err := readStream(declared)
		if err != nil {
			add("services."+declared.Name, err)
			continue
		}
		for _, notice := range s.Notices() {
			warn("services.%s: %s", declared.Name, notice)
		}
	}
	checked := map[string]bool{}
	for _, name := range file.Tenants() {
		spec, err := file.Tenant(name)
		if err != nil || spec.Mapping == "" || checked[spec.Mapping] {
			continue
		}
		checked[spec.Mapping] = true
		if _, err := mapping.Load(spec.Mapping); err != nil {
			add("tenants."+string(name)+".legacy.mapping", err)
		}
	}
	return problems
}

// unset names the variables that the file refers to and that aren't set, in the order of the file.
func (f *Factory) unset(file *config.File) []string {
	unset := []string{}
	look := func(s config.Secret) {
		for _, name := range f.missing(s) {
			if !slices.Contains(unset, name) {
				unset = append(unset, name)
			}
		}
	}
	look(file.Control().DSN)
	for _, instance := range file.Instances() {
		look(instance.DSN)
	}
	if url, given := file.Broker(); given {
		look(url)
	}
	for _, name := range file.Tenants() {
		if dsn, err := file.LegacyDSN(name); err == nil {
			look(dsn)
		}
	}
	return unset
}

// missing names the variables of a reference that aren't set.
func (f *Factory) missing(s config.Secret) []string {
	var names []string
	for _, name := range s.Variables() {
		if value, found := f.env(name); !found || value == "" {
			names = append(names, name)
		}
	}
	return names
}
