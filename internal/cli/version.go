package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"tenantctl/internal/cli/output"
)

// Build says what this program was made from.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() Build {
	build := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		build.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			build.Commit = setting.Value
		case "vcs.time":
			build.Time = setting.Value
		case "vcs.modified":
			build.Modified = setting.Value == "true"
		}
	}
	return build
}

type versionOptions struct {
	Printer output.Printer
	Build   Build
}

func newCmdVersion(f *Factory, runF func(*versionOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of tenantctl",
		Long: `Print the version of tenantctl, the commit it was built from, and what it was built with. Reads no file and opens no
connection.`,
		Example: "  tenantctl version\n  tenantctl version -o json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			opts := &versionOptions{Printer: f.Printer(), Build: thisBuild()}
			if runF != nil {
				return runF(opts)
			}
			return runVersion(opts)
		},
	}
}

func runVersion(opts *versionOptions) error {
	return opts.Printer.One("Version", opts.Build, output.View{
		Names: []string{"version/" + opts.Build.Version},
		Table: func(w io.Writer) error {
			text := "tenantctl " + opts.Build.Version
			if opts.Build.Commit != "" {
				text += ", commit " + opts.Build.Commit[:min(len(opts.Build.Commit), shortCommit)]
			}
			if opts.Build.Modified {
				text += " with changes"
			}
			_, err := fmt.Fprintf(w, "%s (%s, %s)\n", text, opts.Build.Go, opts.Build.Platform)
			return err
		},
	})
}

const shortCommit = 12
