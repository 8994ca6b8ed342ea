// Package progress shows long work to whoever watches: as bars on a terminal, as a line every few seconds in a log, or as a line
// of JSON for each event. It writes to standard error, so that standard output stays a command's result.
package progress

// Mode is how progress is shown.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"  // Bar on a terminal, else Plain
	Bar   Mode = "bar"   // redrawn in place
	Plain Mode = "plain" // a line every few seconds
	JSON  Mode = "json"  // a line of JSON for each event
	None  Mode = "none"
)

// Modes lists them.
func Modes() []Mode { return []Mode{Auto, Bar, Plain, JSON, None} }
