package logs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// The keys that every service writes alike.
const (
	KeyTime    = slog.TimeKey
	KeyLevel   = slog.LevelKey
	KeyMessage = slog.MessageKey
	KeyService = "service"
	KeyTenant  = "tenant"
	KeyTrace   = "trace"
	KeySpan    = "span"
)

// Line is one line.
type Line struct {
	Time    time.Time // of a line that has none, that of the line before it; zero where there is none either
	Level   slog.Level
	Message string // all of a line that isn't JSON
	Service string
	Tenant  string
	Trace   string
	Span    string
	Others  []Attribute // by key
	Raw     []byte      // the object as it stands in the file; nil where the line is none
}

// Attribute is what else a line says. A text is given as it is, anything else as its JSON.
type Attribute struct{ Key, Value string }

// parse reads a line. What collectors put before the object, such as the name of a pod, is left out.
func parse(text []byte) Line {
	object := text
	if begins := bytes.IndexByte(text, '{'); begins > 0 && len(text) > 0 && text[len(text)-1] == '}' {
		object = text[begins:]
	}
	var fields map[string]json.RawMessage
	if len(object) == 0 || object[0] != '{' || json.Unmarshal(object, &fields) != nil || fields[KeyMessage] == nil {
		return Line{Message: strings.ToValidUTF8(string(text), "?")}
	}
	l := Line{Raw: bytes.Clone(object)} // which is part of a larger block
	l.Time, _ = time.Parse(time.RFC3339Nano, take(fields, KeyTime))
	_ = l.Level.UnmarshalText([]byte(take(fields, KeyLevel))) // what it can't read is Info
	l.Message, l.Service, l.Tenant = take(fields, KeyMessage), take(fields, KeyService), take(fields, KeyTenant)
	l.Trace, l.Span = take(fields, KeyTrace), take(fields, KeySpan)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		l.Others = append(l.Others, Attribute{key, take(fields, key)})
	}
	return l
}

func take(fields map[string]json.RawMessage, key string) string {
	raw := fields[key]
	delete(fields, key)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// Query says which lines are wanted. What is zero takes all.
type Query struct {
	Services []string
	Tenant   string
	Trace    string // 32 hexadecimal digits, or their beginning
	Level    slog.Leveler
	Since    time.Time
	Last     int // only so many of the newest of what is there
}

// takes tells whether a line is wanted. One that isn't JSON says nothing of whose it is: it is wanted where nobody asks.
func (q *Query) takes(l Line) bool {
	switch {
	case len(q.Services) > 0 && !slices.Contains(q.Services, l.Service):
	case q.Tenant != "" && l.Tenant != q.Tenant:
	case q.Trace != "" && (l.Trace == "" || !strings.HasPrefix(l.Trace, q.Trace)):
	case q.Level != nil && l.Level < q.Level.Level():
	case l.Time.Before(q.Since):
	default:
		return true
	}
	return false
}

// may tells cheaply whether a line could be wanted: most of those of a large file aren't, and aren't parsed.
func (q *Query) may(text []byte) bool {
	return (q.Trace == "" || bytes.Contains(text, []byte(q.Trace))) && (q.Tenant == "" || bytes.Contains(text, []byte(q.Tenant)))
}
