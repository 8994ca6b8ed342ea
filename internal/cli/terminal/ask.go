package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"tenantctl/internal/tenant"
)

// ErrNobody is a question with no person at a terminal to answer it: a mistake of whoever asked for one.
var ErrNobody error = nobody{}

type nobody struct{}

func (nobody) Error() string { return "there is nobody to ask" }
func (nobody) Unwrap() error { return tenant.ErrInvalid }

type line struct {
	text string
	err  error
}

// CanAsk tells whether a question reaches a person: it is written to Err and answered on In.
func (s *Streams) CanAsk() bool { return s.InTerminal && s.ErrTerminal }

// Ask puts a question and returns the answer, fallback where that is empty.
func (s *Streams) Ask(ctx context.Context, question, fallback string) (string, error) {
	if !s.CanAsk() {
		return "", ErrNobody
	}
	if fallback != "" {
		question += " [" + fallback + "]"
	}
	if _, err := fmt.Fprint(s.Err, question+": "); err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	answer, err := s.readLine(ctx)
	if answer == "" {
		answer = fallback
	}
	return answer, err
}

// Confirm asks a question that is answered by yes; anything else is no.
func (s *Streams) Confirm(ctx context.Context, question string) (bool, error) {
	answer, err := s.Ask(ctx, question+" (yes/no)", "")
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", nil
}

// readLine waits for a line or for the end of ctx. The goroutine that reads outlives an interrupted question: reading a terminal
// can't be called off. The next question takes the line that it gets.
func (s *Streams) readLine(ctx context.Context) (string, error) {
	if s.reader == nil {
		s.reader = bufio.NewReader(s.In)
	}
	if s.pending == nil {
		pending := make(chan line, 1)
		s.pending = pending
		go func() {
			text, err := s.reader.ReadString('\n')
			pending <- line{text, err}
		}()
	}
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case l := <-s.pending:
		s.pending = nil
		if errors.Is(l.err, io.EOF) && l.text == "" {
			return "", fmt.Errorf("the input ended: %w", ErrNobody)
		}
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		return strings.TrimSpace(l.text), nil
	}
}
