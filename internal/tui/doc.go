// Package tui is the dashboard: the fleet in a terminal, to see and to drive.
//
// It has two seams. Source is what it reads: tui/records reads the control database, tui/remote asks an operator that does, without
// the pages noticing. Actions is what it does: internal/cli plugs in the program's own commands, each started as a process of its
// own, so that a key in the dashboard and a line at a shell are the same thing, and a move goes on when the dashboard is closed.
//
// The app (app.go) owns what every page shows: the fleet, the newest events, the link to the source. A page is a file, and
// holds only where the reader is in it. Update never waits: one question at a time is under way (poll.go), in a command of
// Bubble Tea, with the number of the page that asked, so that an answer which comes late is dropped. An answer carries all that
// changed since the one before it, however much that is, so that nothing is drawn more than twice a second unless keys are pressed.
//
// Everything shown that comes from outside is cleaned of control characters and cut before it is measured: an event's text can't
// move the cursor, and a line of 100 kB costs what a line of the screen does.
package tui
