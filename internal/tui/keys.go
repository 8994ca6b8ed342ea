package tui

// binding is a key with what it does, as footer and help show it. Keys are plain letters and what every terminal sends.
type binding struct {
	keys  string // as shown: "j ↓"
	does  string
	short string // in the footer; "": only in the help
}

// everywhere are the keys that work on every page.
func everywhere() []binding {
	return []binding{
		{keys: "?", does: "help: every key of this page", short: "help"},
		{keys: ":", does: "go to a page or run a command; tab completes", short: "command"},
		{keys: "esc", does: "back: out of what is open, then the filter, the marks, the page"},
		{keys: "q", does: "leave"},
		{keys: "ctrl+z", does: "suspend; `fg` comes back"},
		{keys: "ctrl+l", does: "draw the screen anew"},
		{keys: "1 2 3 4 5 6", does: "fleet, rollouts, services, events, tasks, logs"},
		{keys: "y", does: "copy what the cursor is on to the clipboard (OSC 52)"},
	}
}

// moving are the keys of whatever scrolls.
func moving() []binding {
	return []binding{
		{keys: "j k ↓ ↑", does: "down, up"},
		{keys: "ctrl+d ctrl+u", does: "half a page down, up (also pgdn, pgup)"},
		{keys: "g G", does: "first, last (also home, end)"},
	}
}

// move is how far a key scrolls: from, rows that there are, rows that show.
func move(key string, at, rows, page int) (to int, moved bool) {
	switch key {
	case "j", "down":
		at++
	case "k", "up":
		at--
	case "ctrl+d", "pgdown", "ctrl+f":
		at += max(page/2, 1)
	case "ctrl+u", "pgup", "ctrl+b":
		at -= max(page/2, 1)
	case "g", "home":
		at = 0
	case "G", "end":
		at = rows - 1
	default:
		return at, false
	}
	return max(min(at, rows-1), 0), true
}
