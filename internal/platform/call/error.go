package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ErrUnavailable is a service that gave no answer: it can't be reached, took too long, or did so a moment ago.
var ErrUnavailable = errors.New("service is not available")

// Error is an answer other than 2xx, with the problem (RFC 9457) that it came with.
type Error struct {
	Target     string `json:"-"` // who answered
	Status     int    // of HTTP
	Type       string
	Title      string
	Detail     string
	Instance   string
	RetryAfter time.Duration `json:"-"` // 0: it didn't say
}

func (e *Error) Error() string {
	text := e.Title
	if text == "" {
		text = http.StatusText(e.Status)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return fmt.Sprintf("%s answered %d %s", e.Target, e.Status, text)
}

// problem reads an answer that isn't 2xx. One that came from something else than a service of ours has only a status.
func problem(target string, response *http.Response, content []byte) *Error {
	e := &Error{}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(content, e) != nil {
		e = &Error{}
	}
	e.Target, e.Status = target, response.StatusCode
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// down tells whether an error says something of the service, and not of the request: such a call may succeed the next time, and
// enough of them in a row open the circuit. 500 isn't among them: it may be one tenant's, and must not cut off the others.
func down(err error) bool {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Status == http.StatusBadGateway || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout
	}
	return errors.Is(err, ErrUnavailable) || errors.Is(err, gobreaker.ErrOpenState)
}
