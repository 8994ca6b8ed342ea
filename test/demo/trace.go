package main

import (
	"context"
	"errors"
	"regexp"
)

var traceSaid = regexp.MustCompile(`(?m)^X-Trace-Id: ([0-9a-f]{32})`)

// playTrace asks the logs of all services for what came of the click whose mail has arrived.
func playTrace(ctx context.Context, s *stage) error {
	c := s.company
	said := traceSaid.FindStringSubmatch(c.office.got()[0])
	if said == nil {
		return errors.New("the mail names no trace")
	}
	shown, err := c.run(ctx, 0, "logs", "--trace", said[1])
	if err != nil {
		return err
	}
	for _, service := range []string{"gateway", "core", "notifications"} {
		if err := contains("the lines of the trace", shown.stdout, service); err != nil {
			return err
		}
	}
	c.checked("the gateway, core and notifications tell of it under one id, the mail's")
	return nil
}
