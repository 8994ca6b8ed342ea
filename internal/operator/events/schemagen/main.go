// Command schemagen writes the JSON Schema of events into the file it is given.
package main

import (
	"fmt"
	"os"

	"tenantctl/internal/operator/events"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func write(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: schemagen FILE")
	}
	schema, err := events.Schema()
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0], schema, 0o644); err != nil { //nolint:gosec // a document for everyone to read
		return fmt.Errorf("write schema: %w", err)
	}
	return nil
}
