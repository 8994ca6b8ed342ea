package cli

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/progress"
	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

// Settings are what the global flags, the TENANTCTL_* variables and the defaults come to.
type Settings struct {
	File     string
	Output   output.Format
	Progress progress.Mode
	Yes      bool
	NoInput  bool
	NoColor  bool
	Level    slog.Level
}

// addGlobalFlags adds what every command has. Their values are read through config's layers, not from the variables that pflag
// wants.
func addGlobalFlags(flags *pflag.FlagSet) {
	usages := []struct{ name, short, usage string }{
		{config.OptionFile, "f", "tenants.yaml, or a folder of such files"},
		{config.OptionOutput, "o", "form of the data on standard output: table, json, yaml or name"},
		{config.OptionProgress, "", "how long work shows its progress on standard error: auto, bar, plain, json or none"},
		{config.OptionLogLevel, "", "what else is told on standard error: error, warn, info or debug"},
		{config.OptionYes, "", "answer every question with yes"},
		{config.OptionNoInput, "", "never ask: fail where an answer would be needed"},
		{config.OptionNoColor, "", "no colors"},
	}
	for _, u := range usages {
		def := defaultOf(u.name)
		if def == "false" {
			flags.BoolP(u.name, u.short, false, u.usage)
			continue
		}
		flags.StringP(u.name, u.short, def, u.usage)
	}
}

func defaultOf(name string) string {
	for _, o := range config.Options() {
		if o.Name == name {
			return o.Default
		}
	}
	return ""
}

// layers looks settings up: flag, environment, default.
func (f *Factory) layers() config.Layers {
	return config.Layers{
		Flag: func(name string) (string, bool) {
			flag := f.flags.Lookup(name)
			if flag == nil || !flag.Changed {
				return "", false
			}
			return flag.Value.String(), true
		},
		Env: f.env,
	}
}

// readSettings checks the global settings; the error names where a wrong one came from.
func readSettings(l config.Layers) (Settings, error) {
	s := Settings{File: l.Option(config.OptionFile).Value}
	format, err := oneOf(l.Option(config.OptionOutput), output.Formats())
	if err != nil {
		return s, err
	}
	mode, err := oneOf(l.Option(config.OptionProgress), progress.Modes())
	if err != nil {
		return s, err
	}
	level, err := oneOf(l.Option(config.OptionLogLevel), []string{"error", "warn", "info", "debug"})
	if err != nil {
		return s, err
	}
	s.Output, s.Progress = format, mode
	if err := s.Level.UnmarshalText([]byte(level)); err != nil {
		return s, fmt.Errorf("log level: %w", err)
	}
	for _, option := range []struct {
		name string
		into *bool
	}{{config.OptionYes, &s.Yes}, {config.OptionNoInput, &s.NoInput}, {config.OptionNoColor, &s.NoColor}} {
		on, err := l.Option(option.name).Bool()
		if err != nil {
			return s, err
		}
		*option.into = on
	}
	return s, nil
}

// oneOf reads a setting that has a few values.
func oneOf[T ~string](s config.Setting, allowed []T) (T, error) {
	if slices.Contains(allowed, T(s.Value)) {
		return T(s.Value), nil
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	message := fmt.Sprintf("%s: unknown value %q", strings.TrimPrefix(strings.TrimPrefix(s.Origin, "flag "), "env "), s.Value)
	if near := nearest(s.Value, words); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return "", tenant.WithHint(&invalidUsage{message}, "it can be "+strings.Join(words, ", "))
}

// registerGlobalCompletions lets a shell complete the values of the global flags.
func registerGlobalCompletions(root *cobra.Command) error {
	values := map[string][]string{
		config.OptionOutput:   {"table", "json", "yaml", "name"},
		config.OptionProgress: {"auto", "bar", "plain", "json", "none"},
		config.OptionLogLevel: {"error", "warn", "info", "debug"},
	}
	for name, words := range values {
		if err := root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			return fmt.Errorf("complete --%s: %w", name, err)
		}
	}
	return nil
}
