package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/platform/token"
)

const keysLong = `The platform's tokens are signed with a private key, and verified with the public ones that the service auth serves. The keys lie as
files in one folder (keysDir in tenants.yaml; .tenantctl/keys beside it where that isn't given), which only its owner may read:
whoever has one of them can be any user of any tenant. Services that run read the folder again by themselves.`

func newCmdKeys(f *Factory) *cobra.Command {
	return group("keys", "List, change and retire the keys that tokens are signed with", keysLong,
		newCmdKeysList(f, nil), newCmdKeysRotate(f, nil), newCmdKeysRetire(f, nil))
}

type keysOptions struct {
	Factory *Factory
	ID      string
	Force   bool
}

func newCmdKeysList(f *Factory, runF func(context.Context, *keysOptions) error) *cobra.Command {
	opts := &keysOptions{Factory: f}
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys and what each is good for",
		Long: `List the keys, oldest first: which one signs, which ones only verify what they signed before and until when somebody may need that,
which ones are retired. No private key is shown.`,
		Example: "  tenantctl keys list\n  tenantctl keys list -o json",
		Args:    noArgs,
		RunE:    keysRun(opts, runF, runKeysList),
	}
}

func newCmdKeysRotate(f *Factory, runF func(context.Context, *keysOptions) error) *cobra.Command {
	opts := &keysOptions{Factory: f}
	return &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key, which signs a little later",
		Long: `Make a new key. It is published at once and signs after six minutes, when every service has heard of it; only where there is no
other it signs at once. What older keys signed stays valid: nobody has to log in again.`,
		Example: "  tenantctl keys rotate",
		Args:    noArgs,
		RunE:    keysRun(opts, runF, runKeysRotate),
	}
}

func newCmdKeysRetire(f *Factory, runF func(context.Context, *keysOptions) error) *cobra.Command {
	opts := &keysOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "retire KEY",
		Short: "Take a key out of use and delete its private half",
		Long: `Take a key out of use for good. What it signed is no longer accepted, and its private half is deleted.

A key whose tokens may still be out there is refused, and so is the one that signs. With --force it goes at once: for a key that
somebody else may have. Then its users have to log in again; services that fetched the public keys may accept what it signed for
five minutes more.`,
		Example: "  tenantctl keys retire 20260301-1a2b3c4d\n  tenantctl keys rotate && tenantctl keys retire 20260301-1a2b3c4d --force",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(cmd, "`tenantctl keys list` has their names", "%s takes one key", cmd.CommandPath())
			}
			opts.ID = args[0]
			return nil
		},
		RunE: keysRun(opts, runF, runKeysRetire),
	}
	cmd.Flags().BoolVar(&opts.Force, "force", false, "at once, though it signs or its tokens are still out there")
	return cmd
}

func keysRun(opts *keysOptions, runF, run func(context.Context, *keysOptions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if runF != nil {
			return runF(cmd.Context(), opts)
		}
		return run(cmd.Context(), opts)
	}
}

// keyring is the folder that tenants.yaml names, as it is.
func (f *Factory) keyring() (*token.Keyring, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	return token.ReadKeyring(file.KeysDir(), token.KeyringOptions{Now: f.now}), nil
}

func runKeysList(_ context.Context, opts *keysOptions) error {
	f := opts.Factory
	keys, err := f.keyring()
	if err != nil {
		return err
	}
	infos, err := keys.List()
	if err != nil {
		return err
	}
	if len(infos) == 0 {
		f.Tell("there is no key yet; the first service makes one, or `tenantctl keys rotate`")
	}
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = "key/" + info.ID
	}
	p := f.Printer()
	return p.List("KeyList", infos, output.View{Names: names, Table: func(w io.Writer) error {
		grid := output.NewGrid("NAME", "STATE", "MADE", "NOTE").Style(string(token.Signing), terminal.Green).Style(string(token.Waiting), terminal.Yellow)
		for _, info := range infos {
			grid.Row(info.ID, string(info.State), look.Age(f.now().Sub(info.Created))+" ago", noteOf(info, f.now()))
		}
		return grid.Write(w, p.Width, p.Color)
	}})
}

// noteOf says when something about a key will change.
func noteOf(info token.KeyInfo, now time.Time) string {
	switch {
	case !info.SignsFrom.IsZero():
		return "signs in " + look.Age(info.SignsFrom.Sub(now))
	case info.NeededUntil.After(now):
		return "may be retired in " + look.Age(info.NeededUntil.Sub(now))
	case !info.NeededUntil.IsZero():
		return "may be retired"
	case !info.Retired.IsZero():
		return "since " + look.Age(now.Sub(info.Retired)) + " ago"
	}
	return ""
}

func runKeysRotate(_ context.Context, opts *keysOptions) error {
	f := opts.Factory
	keys, err := f.keyring()
	if err != nil {
		return err
	}
	made, err := keys.Rotate()
	if err != nil {
		return err
	}
	return f.Printer().One("Key", made, output.View{Names: []string{"key/" + made.ID}, Table: func(w io.Writer) error {
		text := "made " + made.ID + ", which signs from now on\n"
		if note := noteOf(made, f.now()); note != "" {
			text = "made " + made.ID + ", which " + note + "\n"
		}
		_, err := io.WriteString(w, text)
		return err
	}})
}

func runKeysRetire(_ context.Context, opts *keysOptions) error {
	f := opts.Factory
	keys, err := f.keyring()
	if err != nil {
		return err
	}
	mode := token.RetireUnneeded
	if opts.Force {
		mode = token.RetireNow
	}
	if err := keys.Retire(opts.ID, mode); err != nil {
		return err
	}
	f.Tell("retired %s", opts.ID)
	return nil
}
