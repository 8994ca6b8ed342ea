package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"tenantctl/internal/tenant"
)

// StarterOptions say what the first tenants.yaml holds.
type StarterOptions struct {
	Schema      string          // address of the JSON Schema for editors; "" leaves the line out
	Instance    string          // name of the shared database; "" uses the local stack
	DSNVariable string          // variable with its connection string; "" is named after the instance
	Services    []string        // builtin streams in dependency order; none for moves without a mapping
	Tenants     []StarterTenant // none shows one as a comment
}

// StarterTenant is one tenant of the first file.
type StarterTenant struct {
	Name           string
	LegacyVariable string // variable with the connection string of its legacy database; "" for a new client
	Mapping        string // mapping file; "" moves the legacy schema as it is
}

//go:embed starter.yaml.tmpl
var starterTemplate string

// Starter is the first tenants.yaml, with comments for someone new to it. What it gives, Load accepts; the error is Problems
// for options such as a name that breaks the rules.
func Starter(opts StarterOptions) ([]byte, error) {
	if opts.DSNVariable == "" {
		opts.DSNVariable = variableFor(at("instances", opts.Instance, "dsn").String(), "DSN")
	}
	parsed, err := template.New("tenants.yaml").Parse(starterTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the template of tenants.yaml: %w", err)
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, opts); err != nil {
		return nil, fmt.Errorf("write tenants.yaml: %w", err)
	}
	if _, err := Parse("tenants.yaml", b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// check keeps options from meaning something else once they stand in YAML.
func (opts StarterOptions) check() error {
	words := []string{opts.Instance, opts.DSNVariable, opts.Schema}
	words = append(words, opts.Services...)
	for _, t := range opts.Tenants {
		if _, err := tenant.ParseName(t.Name); err != nil {
			return err
		}
		words = append(words, t.LegacyVariable, t.Mapping)
	}
	for _, word := range words {
		for _, r := range word {
			if r <= ' ' || r == '"' || r == '\'' || r == '\\' || r == '#' {
				return fmt.Errorf("%q can't stand in tenants.yaml: it holds a space, a quote, a backslash or #: %w", word, tenant.ErrInvalid)
			}
		}
	}
	return nil
}
