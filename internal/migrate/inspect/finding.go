package inspect

// Severity is what a Finding means for the move.
type Severity string

// The severities of findings.
const (
	// Refusal: the move doesn't start.
	Refusal Severity = "refusal"
	// Warning: the move starts; somebody should read this first.
	Warning Severity = "warning"
	// Note: said so that nothing is silent.
	Note Severity = "note"
)

// Finding is one thing that a move must know, by name.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`   // stable, for scripts: "privilege", "large-object", "unmapped-column" ...
	Object   string   `json:"object"` // what it concerns: "table public.orders"
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // what to do, typed or decided
}
