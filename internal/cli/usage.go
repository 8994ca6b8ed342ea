package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tenantctl/internal/tenant"
)

// usageError is a command line that can't be meant. Its hint is the command's help unless there is a better one.
func usageError(cmd *cobra.Command, hint, format string, args ...any) error {
	if hint == "" {
		hint = fmt.Sprintf("`%s --help` shows how it is used", cmd.CommandPath())
	}
	return tenant.WithHint(&invalidUsage{fmt.Sprintf(format, args...)}, hint)
}

// invalidUsage is tenant.ErrInvalid without saying "invalid" once more.
type invalidUsage struct{ message string }

func (e *invalidUsage) Error() string { return e.message }
func (e *invalidUsage) Unwrap() error { return tenant.ErrInvalid }

// flagError names the flag that was likely meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usageError(cmd, "", "%s", err)
	}
	var known []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			known = append(known, flag.Name)
		}
	})
	name := unknown.GetSpecifiedName()
	if near := nearest(name, known); near != "" {
		return usageError(cmd, "", "unknown flag --%s; did you mean --%s?", name, near)
	}
	return usageError(cmd, "", "%s", err)
}

// noArgs takes no arguments, and says which of the commands below was likely meant.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasAvailableSubCommands() {
		return usageError(cmd, "", "%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			known = append(known, sub.Name())
			known = append(known, sub.SuggestFor...)
		}
	}
	near := nearest(args[0], known)
	for _, sub := range cmd.Commands() {
		if slices.Contains(sub.SuggestFor, near) {
			near = sub.Name()
		}
	}
	if near != "" {
		return usageError(cmd, "", "unknown command %q; did you mean `%s %s`?", args[0], cmd.CommandPath(), near)
	}
	return usageError(cmd, fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath()), "unknown command %q", args[0])
}

// oneTenant takes the name of one tenant.
func (f *Factory) oneTenant(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageError(cmd, f.exampleFor(cmd), "%s needs the name of a tenant", cmd.CommandPath())
	case len(args) > 1:
		return usageError(cmd, "", "%s takes one tenant at a time, got %s", cmd.CommandPath(), strings.Join(args, ", "))
	}
	_, err := tenant.ParseName(args[0])
	return err
}

// exampleFor is the command with a tenant of the file.
func (f *Factory) exampleFor(cmd *cobra.Command) string {
	file, err := f.Config()
	if err != nil || len(file.Tenants()) == 0 {
		return ""
	}
	names := file.Tenants()
	hint := fmt.Sprintf("`%s %s`", cmd.CommandPath(), names[0])
	if len(names) > 1 {
		hint += fmt.Sprintf("; %s declares %s", file.Name(), listed(names))
	}
	return hint
}

const maxListed = 8

// listed spells names out, the first few of many.
func listed[T ~string](names []T) string {
	texts := make([]string, 0, maxListed)
	for _, name := range names[:min(len(names), maxListed)] {
		texts = append(texts, string(name))
	}
	text := strings.Join(texts, ", ")
	if more := len(names) - maxListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// nearest is the known word that differs least from the word, "" if none is close: a third of its letters may differ.
func nearest(word string, known []string) string {
	best, least := "", max(1, (len(word)+2)/3)+1
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" && len(word) > 2 {
		for _, candidate := range known {
			if strings.HasPrefix(candidate, word) {
				return candidate
			}
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their neighbor to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
