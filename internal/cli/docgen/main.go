// Command docgen writes a page of Markdown for each command of tenantctl into a folder, from the texts of its help.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"tenantctl/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen FOLDER")
		os.Exit(1)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// write replaces the pages of a folder: those of commands that are no longer there go.
func write(dir string) error {
	pages, err := pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a folder of the project
		return fmt.Errorf("make folder: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return fmt.Errorf("list pages: %w", err)
	}
	for _, file := range old {
		if _, current := pages[filepath.Base(file)]; !current {
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove an old page: %w", err)
			}
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // for all to read
			return fmt.Errorf("write a page: %w", err)
		}
	}
	return nil
}

// pages are the texts by file name.
func pages() (map[string][]byte, error) {
	root, err := cli.Root()
	if err != nil {
		return nil, err
	}
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	made := map[string][]byte{}
	return made, addPages(made, root)
}

func addPages(made map[string][]byte, cmd *cobra.Command) error {
	cmd.DisableAutoGenTag = true
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".md"
	if cmd.IsAdditionalHelpTopicCommand() {
		made[name] = fmt.Appendf(nil, "## tenantctl help %s\n\n%s\n\n```\n%s\n```\n", cmd.Name(), cmd.Short, cmd.Long)
		return nil
	}
	cmd.Long = strings.ReplaceAll(cmd.Long, "\n  ", "\n    ") // what a terminal indents, Markdown sets as code
	var text bytes.Buffer
	if err := doc.GenMarkdown(cmd, &text); err != nil {
		return fmt.Errorf("page of %s: %w", cmd.CommandPath(), err)
	}
	made[name] = text.Bytes()
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() || sub.Name() == "help" {
			continue
		}
		if err := addPages(made, sub); err != nil {
			return err
		}
	}
	return nil
}
