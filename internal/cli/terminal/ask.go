package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNobody is a question with no person at a terminal to answer it.
var ErrNobody = errors.New("there is no terminal to ask at")

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

// readLine waits for a line or for the end of ctx. The goroutine that reads outlives an interrupted question by as long as
// the process lives: reading a terminal can't be called off.
func (s *Streams) readLine(ctx context.Context) (string, error) {
	if s.lines == nil {
		s.lines = readAhead(s.In)
	}
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case l, ok := <-s.lines:
		if !ok || errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("the input ended: %w", ErrNobody)
		}
		return strings.TrimSpace(l.text), l.err
	}
}

func readAhead(in io.Reader) <-chan line {
	lines := make(chan line, 1)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(in)
		for {
			text, err := reader.ReadString('\n')
			if err != nil && text == "" {
				lines <- line{err: err}
				return
			}
			lines <- line{text: text}
		}
	}()
	return lines
}
