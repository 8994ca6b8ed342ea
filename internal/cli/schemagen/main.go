// Command schemagen writes the JSON Schemas of tenants.yaml and of the events into a folder.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"tenantctl/internal/config"
	"tenantctl/internal/operator/events"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen FOLDER")
		os.Exit(1)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for name, schema := range map[string]func() ([]byte, error){"tenants.schema.json": config.JSONSchema, "events.schema.json": events.Schema} {
		text, err := schema()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // a document for everyone to read
			return fmt.Errorf("write schema: %w", err)
		}
	}
	return nil
}
