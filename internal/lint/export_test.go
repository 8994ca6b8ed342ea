package lint

// KnownFunctions tells of each function that R5 knows whether it is volatile.
func KnownFunctions() map[string]bool {
	known := map[string]bool{}
	for _, name := range volatileFunctions() {
		known[name] = true
	}
	for _, name := range steadyFunctions() {
		known[name] = false
	}
	return known
}

// ParseEscape tells whether a comment's text is an escape, which rules it names, and what is wrong with it.
func ParseEscape(text string) (rules []string, reason, fault string, ok bool) {
	e, ok := parseEscape(commentText(text), newRulebook(Rules()))
	if !ok {
		return nil, "", "", false
	}
	return e.rules, e.reason, e.fault, true
}

// What T6 and T7 reckon with.
const (
	CatalogRows = catalogRows
	WALPerRow   = walPerRow
)
