package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openDashboard writes a script that starts a dashboard among the demo's surroundings, and says so the first time. Clients that
// an act brought along are in the next one. It has their connection strings, so that it is for this user only.
func (s *stage) openDashboard(first bool) error {
	var script strings.Builder
	fmt.Fprintf(&script, "#!/bin/sh\ncd %s && export XDG_STATE_HOME=%s\n", quoted(s.project), quoted(s.state))
	for _, name := range slices.Sorted(maps.Keys(s.clients)) {
		fmt.Fprintf(&script, "export %s=%s\n", s.clients[name].variable(), quoted(s.clients[name].dsn))
	}
	fmt.Fprintf(&script, "exec %s dashboard \"$@\"\n", quoted(s.program))
	path := filepath.Join(s.folder, "dashboard")
	if err := os.WriteFile(path, []byte(script.String()), 0o700); err != nil { //nolint:gosec // it is to be run
		return fmt.Errorf("write the dashboard's script: %w", err)
	}
	if first {
		fmt.Printf("\nTo watch, in a second terminal of at least 60 x 16:\n\n  %s\n", path)
	}
	return nil
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// stayUp leaves everything as it is until somebody presses Enter, or ends the demo.
func (s *stage) stayUp(ctx context.Context) error {
	fmt.Printf("\nEverything stays up for %s. Enter ends it and clears it away.\n", filepath.Join(s.folder, "dashboard"))
	enter := make(chan struct{})
	go func() { // it waits for the terminal for as long as the process lives
		defer close(enter)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the end of the input is an answer, too
	}()
	select {
	case <-enter:
	case <-ctx.Done():
	}
	// What was done from a dashboard left its output there.
	logs, err := filepath.Glob(filepath.Join(s.state, "tenantctl", "*-dashboard"))
	for _, folder := range logs {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}
