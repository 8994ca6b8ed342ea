package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class is what an error from the server means for whoever asked.
type Class int

// The classes of errors.
const (
	// Terminal: asking again gives the same answer.
	Terminal Class = iota
	// Retryable: the same request may work a moment later (lock timeout, deadlock, lost connection, restart).
	Retryable
	// Conflict: what was to be made is there already, or is in use.
	Conflict
	// NotFound: what was named isn't there.
	NotFound
)

// Code is the SQLSTATE along an error's chain, or "".
func Code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// Classify sorts an error once for the whole program.
func Classify(err error) Class {
	code := Code(err)
	switch code {
	case "":
		if err != nil && connectionLost(err) {
			return Retryable
		}
		return Terminal
	case "55P03", "40P01", "40001", "53300", "57P01", "57P02", "57P03":
		return Retryable
	case "42P06", "42P07", "42710", "42723", "23505", "55006":
		return Conflict
	case "42P01", "3F000", "42704", "42883", "3D000":
		return NotFound
	}
	if strings.HasPrefix(code, "08") {
		return Retryable
	}
	if code == "XX000" && strings.Contains(err.Error(), "tuple concurrently updated") {
		return Retryable
	}
	return Terminal
}

// connectionLost tells a broken connection from an error of the program's own.
func connectionLost(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false // given up, not lost
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	text := err.Error()
	for _, sign := range []string{"unexpected EOF", "broken pipe", "connection reset", "conn closed", "connection refused", "closed network connection"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
