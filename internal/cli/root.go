package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/terminal"
)

const rootLong = `tenantctl moves clients from a server and database of their own to one shared platform, and looks after them there.

Each client is a tenant: a schema of its own in a shared PostgreSQL instance, declared in tenants.yaml. A first move:

  tenantctl init                 write tenants.yaml
  tenantctl doctor               check the servers and programs that a move needs
  tenantctl inspect client-x     see what the client's legacy database holds and what could break
  tenantctl migrate client-x     move it: every row is copied and proven, and the way back stays open
  tenantctl status client-x      see where it stands

Data goes to standard output, everything else to standard error. Settings come from flags, then from variables such as
TENANTCTL_OUTPUT, then from tenants.yaml, then from defaults: tenantctl config view --show-origin.`

// The groups of the root's help.
const (
	groupStart    = "start"
	groupFleet    = "fleet"
	groupMove     = "move"
	groupPlatform = "platform"
	groupOperator = "operator"
	groupMore     = "more"
)

// Root is the tree of commands for those who only read it, such as the generator of the documentation.
func Root() (*cobra.Command, error) {
	nothing := func(string) (string, bool) { return "", false }
	return newRoot(newFactory(terminal.New(strings.NewReader(""), io.Discard, io.Discard, nothing), nothing, nil))
}

// newRoot makes the whole tree of commands.
func newRoot(f *Factory) (*cobra.Command, error) {
	root := &cobra.Command{
		Use:     "tenantctl",
		Short:   "Move clients to a shared PostgreSQL platform and look after them there",
		Long:    rootLong,
		Example: "  tenantctl migrate client-x\n  tenantctl status -o json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			f.flags = cmd.Flags()
			_, err := f.Settings()
			return err
		},
	}
	addGlobalFlags(root.PersistentFlags())
	f.flags = root.PersistentFlags()
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "Set up and check:"},
		&cobra.Group{ID: groupFleet, Title: "Look after tenants:"},
		&cobra.Group{ID: groupMove, Title: "Move a client's legacy database:"},
		&cobra.Group{ID: groupPlatform, Title: "Run the platform:"},
		&cobra.Group{ID: groupOperator, Title: "Keep tenants.yaml true:"},
		&cobra.Group{ID: groupMore, Title: "More:"},
	)
	root.SetHelpCommandGroupID(groupMore)
	root.SetCompletionCommandGroupID(groupMore)
	addCommands(root, f)
	return root, registerGlobalCompletions(root)
}

func addCommands(root *cobra.Command, f *Factory) {
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add(groupStart, newCmdInit(f, nil), newCmdValidate(f, nil), newCmdLint(f, nil), newCmdDoctor(f, nil), newCmdLocal(f), newCmdConfig(f))
	add(groupFleet, newCmdStatus(f, nil), newCmdDashboard(f, nil), newCmdPlan(f, nil), newCmdApply(f, nil), newCmdProvision(f, nil), newCmdUpgrade(f, nil), newCmdRollouts(f, nil), newCmdDrift(f, nil), newCmdAdopt(f, nil), newCmdSuspend(f, nil),
		newCmdResume(f, nil), newCmdArchive(f, nil), newCmdDelete(f, nil), newCmdPsql(f, nil), newCmdEvents(f, nil))
	add(groupMove, newCmdInspect(f, nil), newCmdMigrate(f, nil), newCmdVerify(f, nil), newCmdCutover(f, nil), newCmdRollback(f, nil), newCmdComplete(f, nil))
	add(groupPlatform, newCmdServe(f, nil), newCmdServices(f, nil), newCmdLogs(f, nil), newCmdUser(f), newCmdKeys(f), newCmdDLQ(f))
	add(groupOperator, newCmdOperator(f, nil), newCmdPause(f, nil), newCmdUnpause(f, nil))
	add(groupMore, newCmdVersion(f, nil))
	root.AddCommand(newTopicExitCodes())
}

// newTopicExitCodes is what `tenantctl help exit-codes` prints.
func newTopicExitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesHelp}
}

// group makes a command that only holds others.
func group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}
