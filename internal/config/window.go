package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Window is a weekly span of time in a zone: "Sat 02:00-05:00 Europe/Berlin". It goes by the clock on the wall there. One that
// runs over midnight belongs to the day on which it begins. The zero Window is always open.
type Window struct {
	text     string
	days     [7]bool
	from, to int // minutes since midnight
	zone     *time.Location
}

const (
	dayWord       = `(Mon|Tue|Wed|Thu|Fri|Sat|Sun)`
	daySpan       = dayWord + `(-` + dayWord + `)?`
	clock         = `([01][0-9]|2[0-3]):[0-5][0-9]`
	windowPattern = `^(` + daySpan + `(,` + daySpan + `)* )?` + clock + `-(` + clock + `|24:00) [A-Za-z][A-Za-z0-9/_+-]*$`
	minutesOfDay  = 24 * 60
)

var windowText = regexp.MustCompile(windowPattern)

// ParseWindow reads "[DAYS ]HH:MM-HH:MM ZONE". Days are Mon to Sun, alone, in a list (Sat,Sun) or a span (Mon-Fri); without
// them it is every day. The zone is a name of the time zone database.
func ParseWindow(text string) (Window, error) {
	var w Window
	if err := w.parse(text, spot{}); err != nil {
		return Window{}, err
	}
	return w, nil
}

// Contains tells whether the window is open at t.
func (w Window) Contains(t time.Time) bool {
	if w.zone == nil {
		return true
	}
	t = t.In(w.zone)
	minute, today := t.Hour()*60+t.Minute(), int(t.Weekday())
	if w.from < w.to {
		return w.days[today] && minute >= w.from && minute < w.to
	}
	yesterday := (today + 6) % 7
	return w.days[today] && minute >= w.from || w.days[yesterday] && minute < w.to
}

// IsZero tells whether no window was given.
func (w Window) IsZero() bool { return w.zone == nil }

// String is the window as it was written.
func (w Window) String() string { return w.text }

func (w *Window) parse(text string, in spot) error {
	if !windowText.MatchString(text) {
		return unexpected(w, text)
	}
	parts := strings.Fields(text)
	zone, err := loadZone(parts[len(parts)-1], in.zones)
	if err != nil {
		return err
	}
	from, to, _ := strings.Cut(parts[len(parts)-2], "-")
	parsed := Window{text: text, from: minutes(from), to: minutes(to), zone: zone}
	if parsed.from == parsed.to {
		return errors.New("the window ends when it begins; for the whole day write 00:00-24:00")
	}
	days := "Mon-Sun"
	if len(parts) == 3 {
		days = parts[0]
	}
	for _, span := range strings.Split(days, ",") {
		parsed.open(span)
	}
	*w = parsed
	return nil
}

func (w *Window) wants() string {
	return `a window such as "Sat 02:00-05:00 Europe/Berlin" or "Mon-Fri 22:00-04:00 UTC"`
}

func (w *Window) describe() *schemaNode {
	return &schemaNode{Type: "string", Pattern: windowPattern, Examples: []any{"Sat 02:00-05:00 Europe/Berlin", "Mon-Fri 22:00-04:00 UTC"}}
}

// open marks the days of a span such as Fri-Mon.
func (w *Window) open(span string) {
	first, last, isSpan := strings.Cut(span, "-")
	if !isSpan {
		last = first
	}
	for day := weekday(first); ; day = (day + 1) % 7 {
		w.days[day] = true
		if day == weekday(last) {
			return
		}
	}
}

// weekday is the number that time.Weekday has for Sun to Sat.
func weekday(word string) int { return strings.Index("SunMonTueWedThuFriSat", word) / 3 }

// minutes reads HH:MM, which the pattern has checked.
func minutes(clock string) int {
	hour, minute, _ := strings.Cut(clock, ":")
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	return h*60 + m
}

// loadZone refuses "Local": the file would mean something else on every machine. A zone is read from disk once per file.
func loadZone(name string, known map[string]*time.Location) (*time.Location, error) {
	if zone := known[name]; zone != nil {
		return zone, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q; names look like Europe/Berlin, America/New_York or UTC", name)
	}
	if known != nil {
		known[name] = zone
	}
	return zone, nil
}
