package dashboard

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// bars are the lines of a screen that show how a move's rows go, each as its name and what its figures stand in: digits as 0, and
// neither how far bars and sparks are nor how many figures there are.
func bars(screen string) map[string]string {
	line := regexp.MustCompile(`(?m)^ +(copy|rate|public\.orders|public\.customers) +([█░▁▂▃▄▅▆▇ ]+) (.*)$`)
	figures := regexp.MustCompile(`[0-9][0-9,.]*`)
	found := map[string]string{}
	for _, parts := range line.FindAllStringSubmatch(screen, -1) {
		column := strings.IndexFunc(parts[0], func(r rune) bool { return r >= '▁' && r <= '█' || r == '░' })
		said := strings.Join(strings.Fields(figures.ReplaceAllString(parts[3], "0")), " ")
		found[parts[1]] = strings.Repeat(" ", column) + "| " + regexp.MustCompile(`0 [kM]?B`).ReplaceAllString(said, "0 B")
	}
	return found
}

// TestACommandAndTheDashboardShowTheSame has a move under way in one half of a terminal, and the dashboard look at it in the other: the
// same bars, from the same columns, with the same words. What is copied in the dashboard reaches the terminal's clipboard.
func TestACommandAndTheDashboardShowTheSame(t *testing.T) {
	t.Parallel()
	s, legacy := bare(t)
	s.exec(legacy, `create table orders as select i as id, repeat('x', 200) as note from generate_series(1, 20000) as i; alter table orders add primary key (id);
		create table customers as select i as id, repeat('x', 200) as note from generate_series(1, 20000) as i; alter table customers add primary key (id)`)
	file := "version: 1\ncontrol: { dsn: \"${CONTROL_DSN}\" }\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: " + localtest.Prefix(t) + " } }\n" +
		"tenants:\n  client-x: { services: [], legacy: { dsn: \"${LEGACY_DSN}\" } }\n"
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(file), 0o600))
	t.Cleanup(func() { s.run("local", "down") })
	s.open()
	s.tmux("set-option", "-g", "set-clipboard", "on")
	program := localtest.Program(t, "")
	s.types(program + " migrate client-x --yes --jobs 2 --max-rate 300kB --chunk-size 100kB; echo it ended with $?")
	s.tmux("resize-window", "-x", "110", "-y", "60") // room for two
	s.tmux("split-window", "-c", s.dir, "/bin/sh")
	s.types(program + " dashboard client-x")
	s.shows("fleet › client-x")
	s.press("m")
	s.shows("move of client-x", "public.", "left")

	require.Eventually(t, func() bool {
		command, page := bars(s.tmux("capture-pane", "-p", "-t", "0")), bars(s.tmux("capture-pane", "-p", "-t", "1"))
		return len(page) > 2 && maps.Equal(command, page)
	}, 30*time.Second, 100*time.Millisecond, "the command and the page show the phase, the rate and a table")

	s.press("y")
	require.Eventually(t, func() bool { return s.tmux("list-buffers", "-F", "#{buffer_sample}") == "tenantctl migrate client-x\n" }, 10*time.Second, 50*time.Millisecond)
	s.press("q")
	s.tmux("send-keys", "-t", "0", "C-c") // drains; what it leaves is dropped with its databases
	s.tmux("select-pane", "-t", "0")
	s.shows("it ended with 130")
}
