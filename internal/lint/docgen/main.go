// Command docgen writes the page of lint's rules from the rules themselves. The safe way of each example is what lint proposes
// for it, or what the example gives.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tenantctl/internal/lint"
	"tenantctl/internal/lint/parse"
	"tenantctl/internal/stream"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen FILE")
		os.Exit(1)
	}
	if err := write(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, file string) error {
	text, err := page(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // for all to read
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

const intro = `# What lint finds

` + "`tenantctl lint`" + ` reads migration files with PostgreSQL's own grammar (that of version 17) and finds what would stop clients, lose data,
fail, or reach other tenants, before it runs. This page is made from the rules: each example below is a test, and each safe way is
run on a server by one.

The severity given is the one that holds where no database is asked. With ` + "`--database`" + ` the severity of rules marked *by size* follows
the table: a warning at most where it has less than 10,000 rows and 10 MB in every tenant, an error where it has a million rows or 1 GB
in one. A table that the same file makes is empty, so nothing is said about its locks.

A comment before a statement, or behind it on its last line, lets findings be. The reason is required, and an escape that lets nothing be
is a warning:

` + "```sql\n-- lint:ignore R1,R16 a hundred rows in the largest tenant\ncreate index on settings (name);\n```" + `

` + "`-- lint:ignore-file R32 the client's own tables, as they were`" + ` does so for a file. ` + "`-- tenantctl:irreversible reason`" + ` in a way down says that
there is none. Statements within DO blocks are judged like those outside; SQL that a block puts together at run time can't be.

`

func page(ctx context.Context) (string, error) {
	parser := parse.New(parse.Options{})
	defer func() { _ = parser.Close(ctx) }()
	var out strings.Builder
	out.WriteString(intro)
	for _, theme := range lint.Themes() {
		fmt.Fprintf(&out, "## %s\n\n%s\n\n", theme.Title, theme.Intro)
		for _, rule := range theme.Rules {
			if err := section(ctx, &out, parser, rule); err != nil {
				return "", fmt.Errorf("rule %s: %w", rule.ID, err)
			}
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n", nil
}

func section(ctx context.Context, out *strings.Builder, parser *parse.Parser, rule lint.Rule) error {
	severity := string(rule.Severity)
	if rule.Sized {
		severity += ", by size"
	}
	fmt.Fprintf(out, "### %s %s\n\n*%s.* Finds %s.\n%s\n\n", rule.ID, rule.Name, severity, rule.What, rule.Why)
	for _, example := range rule.Examples {
		found, err := propose(ctx, parser, rule.ID, example)
		if err != nil {
			return err
		}
		bad := example.Bad
		if example.Down == lint.NoFile {
			bad += "\n-- and no file for the way back"
		}
		fmt.Fprintf(out, "```sql\n%s\n```\n\n", shorten(bad))
		safe := found
		if example.Safe != nil {
			safe = lint.Rewrite{Files: example.Safe, Note: found.Note}
			if example.SafeDown != "" {
				safe.Files = append(safe.Files[:len(safe.Files):len(safe.Files)], "-- the way back\n"+example.SafeDown)
			}
		}
		writeSafe(out, safe)
	}
	return nil
}

func writeSafe(out *strings.Builder, safe lint.Rewrite) {
	head := "Instead"
	if safe.Note != "" {
		head += " (" + safe.Note + ")"
	}
	if len(safe.Files) == 0 {
		fmt.Fprintf(out, "Instead: %s.\n\n", safe.Note)
		return
	}
	fmt.Fprintf(out, "%s:\n\n```sql\n%s\n```\n\n", head, lint.Rewrite{Files: safe.Files}.String())
}

// shorten keeps the beginning of an example that is long on purpose.
func shorten(text string) string {
	const most = 14
	lines := strings.Split(text, "\n")
	if len(lines) <= most {
		return text
	}
	return strings.Join(append(lines[:most:most], fmt.Sprintf("-- and %d lines more", len(lines)-most)), "\n")
}

var errNotFound = errors.New("doesn't find its own example")

// propose lints an example and returns what its rule proposes.
func propose(ctx context.Context, parser *parse.Parser, id string, example lint.Example) (lint.Rewrite, error) {
	dir, err := os.MkdirTemp("", "lint")
	if err != nil {
		return lint.Rewrite{}, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range example.BadFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return lint.Rewrite{}, fmt.Errorf("write an example: %w", err)
		}
	}
	read, err := stream.Read("example", os.DirFS(dir))
	if err != nil {
		return lint.Rewrite{}, err
	}
	report, err := lint.Run(ctx, lint.Options{Parser: parser, Inputs: []lint.Input{{Service: "example", Stream: read}}})
	if err != nil {
		return lint.Rewrite{}, err
	}
	for _, file := range report.Services[0].Files {
		for _, finding := range file.Findings {
			if finding.Rule == id {
				return finding.Rewrite, nil
			}
		}
	}
	return lint.Rewrite{}, errNotFound
}
