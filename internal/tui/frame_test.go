package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"
	"github.com/stretchr/testify/require"
)

// update is teatest's flag -update: write the golden frames anew.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

func plainFrame(s string) string { return ansi.Strip(s) }

// scenes are the pages, each with the keys that lead there.
func scenes() map[string]func(b *bundle) {
	return map[string]func(b *bundle){
		"fleet":      func(*bundle) {},
		"filtered":   func(b *bundle) { b.press("/"); b.write("ring=can !client-030"); b.press("enter", " ", " ") },
		"typing":     func(b *bundle) { b.press(":"); b.write("ro") },
		"help":       func(b *bundle) { b.press("?") },
		"tenant":     func(b *bundle) { b.write(":tenant client-020"); b.press("enter") },
		"suspended":  func(b *bundle) { b.write(":tenant client-007"); b.press("enter") },
		"move":       func(b *bundle) { b.press("enter") },
		"moving":     moving022,
		"moved":      func(b *bundle) { b.write(":move client-002"); b.press("enter") },
		"unmoved":    func(b *bundle) { b.write(":move client-024"); b.press("enter") },
		"rollouts":   func(b *bundle) { b.press("2") },
		"rollout":    func(b *bundle) { b.press("2", "enter") },
		"services":   func(b *bundle) { b.press("3") },
		"events":     func(b *bundle) { b.press("4") },
		"eventswrap": func(b *bundle) { b.press("4", "w", " ") },
		"logs":       func(b *bundle) { b.press("6") },
		"trace":      func(b *bundle) { b.press("6", "k", "enter", "w") },
		"tasks":      aTask,
		"menu":       func(b *bundle) { b.press("x") },
		"plan":       func(b *bundle) { b.press("enter", "M") },
		"typename":   func(b *bundle) { b.press("enter", "B", "y"); b.write("client-0") },
		"away":       func(b *bundle) { b.script.do(func(s *script) { s.away = errAway }); b.again() },
	}
}

// moving022 looks at a move while its copy goes on.
func moving022(b *bundle) {
	at := now
	b.app.Now = func() time.Time { return at }
	b.write(":move client-022")
	b.press("enter")
	for i := range 12 {
		at = at.Add(500 * time.Millisecond)
		b.script.do(func(s *script) {
			d := s.details["client-022"]
			d.Last = runningMove("client-022", 0.4+float64(i*i)*0.003)
			s.details["client-022"] = d
		})
		b.again()
	}
}

func aTask(b *bundle) {
	b.press("enter", "M", "y")
	b.hands.tasks[0].Lines = []string{"client-020 goes on at `copy`", "copy: 61%  3,050,000 rows", strings.Repeat("x", 100_000)}
	b.hands.tasks[0].Log = "/home/ann/.local/state/tenantctl/fleet-dashboard/20261127-104200-migrate-1.log"
	b.press("5")
}

func sizes() [][2]int { return [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 60}} }

// TestGoldenFrames keeps how every page looks: at four sizes, in color and without.
func TestGoldenFrames(t *testing.T) {
	t.Parallel()
	looks := map[string]Theme{"color": colored(termenv.ANSI256, true), "mono": Mono()}
	for name, lead := range scenes() {
		for look, theme := range looks {
			t.Run(name+" "+look, func(t *testing.T) {
				t.Parallel()
				b := setup(t, aScript())
				b.app.theme = theme
				b.hands.plan = Plan{Commands: []string{"tenantctl migrate client-020"}, Text: "going on with the move of client-020 at `copy`\ncopy    5 tables, 36 MB\nverify  read every row back and compare\n"}
				lead(b)
				var frames strings.Builder
				for _, size := range sizes() {
					b.app.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
					frame := b.frame()
					fits(t, frame, size[0], size[1])
					fmt.Fprintf(&frames, "-- %d x %d --\n%s\n", size[0], size[1], frame)
				}
				golden(t, name+"."+look, frames.String())
			})
		}
	}
}

// TestOtherTerminals keeps the fleet as a terminal of sixteen colors, and one with a light background, shows it.
func TestOtherTerminals(t *testing.T) {
	t.Parallel()
	for name, theme := range map[string]Theme{"fleet.sixteen": colored(termenv.ANSI, true), "fleet.light": colored(termenv.ANSI256, false)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, aScript())
			b.app.theme = theme
			golden(t, name, b.frame())
		})
	}
	require.Equal(t, Mono(), colored(termenv.Ascii, true))
}

// TestColorTellsNothingAlone compares a frame in color with the one without: the texts are the same.
func TestColorTellsNothingAlone(t *testing.T) {
	t.Parallel()
	for name, lead := range scenes() {
		b := setup(t, aScript())
		lead(b)
		mono := plainFrame(b.frame())
		b.app.theme = colored(termenv.ANSI256, true)
		require.Equal(t, mono, plainFrame(b.frame()), name)
	}
}

// fits makes sure that a frame is exactly as large as the terminal, so that nothing scrolls or wraps.
func fits(t *testing.T, frame string, width, height int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	require.LessOrEqual(t, len(lines), max(height, 1))
	for _, l := range lines {
		require.LessOrEqual(t, ansi.StringWidth(l), width, "%q", l)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if update() {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestAnySize shows every page at every size from 1 x 1, one after the other, as somebody drags a window.
func TestAnySize(t *testing.T) {
	t.Parallel()
	for name, lead := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, aScript())
			lead(b)
			for width := 1; width <= 300; width += 1 + width/8 {
				for height := 1; height <= 100; height += 1 + height/5 {
					b.app.Update(tea.WindowSizeMsg{Width: width, Height: height})
					fits(t, b.frame(), width, height)
				}
			}
			b.app.Update(tea.WindowSizeMsg{Width: 59, Height: 40})
			b.sees("needs 60 columns and 16 rows", "59 and 40")
		})
	}
}

func FuzzKeysAndSizes(f *testing.F) {
	f.Add([]byte("jjjG/x\x1b:mo\t\rMy"), uint8(80), uint8(24))
	f.Add([]byte("2\r\rxB y 4w   gG"), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, keys []byte, width, height uint8) {
		b := setup(t, aScript())
		for i, k := range keys[:min(len(keys), 200)] {
			w, h := int(width)+i%7*30, int(height)+i%5*9
			b.app.Update(tea.WindowSizeMsg{Width: w, Height: h})
			switch k {
			case '\r':
				b.press("enter")
			case '\t':
				b.press("tab")
			case 27:
				b.press("esc")
			default:
				b.press(string(rune(k)))
			}
			fits(t, b.frame(), w, h)
		}
	})
}
