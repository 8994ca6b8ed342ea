package progress

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operation"
	"tenantctl/internal/upgrade"
)

func streams(out *strings.Builder) *terminal.Streams {
	nothing := func(string) (string, bool) { return "", false }
	return terminal.New(strings.NewReader(""), &strings.Builder{}, out, nothing)
}

// clock is a time that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// watched is a Move without a ticker, so that only what it is told makes it write.
func watched(out *strings.Builder, mode Mode) (*Move, *clock) {
	at := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return &Move{streams: streams(out), tenant: "client-x", mode: mode, now: at.now}, at
}

func half() migrate.Progress {
	return migrate.Progress{Phase: "copy", Rows: 500, Bytes: 50 << 20, Of: 100 << 20, Tables: []migrate.TableProgress{
		{Name: "public.a", Rows: 500, Expected: 1000, Bytes: 50 << 20, Of: 100 << 20}, {Name: "public.b", Done: true, Of: 1},
	}}
}

func TestLinesForALog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	m, at := watched(&out, Plain)
	m.Step(operation.StepEvent{Step: "inspect", State: operation.StepSkipped})
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepStarted})
	m.Rows(migrate.Progress{Phase: "copy", Tables: []migrate.TableProgress{{Name: "public.a", Expected: 1000, Of: 100 << 20}}})
	require.NotContains(t, out.String(), "copy", "nothing before the first seconds are over")
	at.pass(5 * time.Second)
	m.Rows(half())
	m.Rows(half())
	at.pass(time.Second)
	m.Finding("table public.c: left behind")
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepDone, Elapsed: 6 * time.Second})
	m.Step(operation.StepEvent{Step: "index", State: operation.StepStarted})
	m.Step(operation.StepEvent{Step: "index", State: operation.StepFailed, Err: errors.New("disk full"), Elapsed: time.Second})
	require.Equal(t, `✓ inspect    done     by an earlier run
copy:  50%  500 rows, 50 MB  1 of 2 tables  10 MB/s  5 s left
warning: table public.c: left behind
✓ copy       done     6 s  500 rows, 50 MB  8.3 MB/s
✗ index      failed   1 s
`, out.String())
}

func TestLinesOfJSON(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	m, at := watched(&out, JSON)
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepStarted, Attempt: 2})
	at.pass(2 * time.Second)
	m.Rows(half())
	m.Rows(half()) // within the same second
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepFailed, Err: errors.New("disk full")})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		var e event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Equal(t, "ProgressEvent", e.Kind)
		require.EqualValues(t, "client-x", e.Tenant)
	}
	require.Contains(t, lines[0], `"type":"step","step":"copy","state":"started","attempt":2`)
	require.Contains(t, lines[1], `"share":0.5`)
	require.Contains(t, lines[2], `"error":"disk full"`)
}

func TestNothingWhereNothingIsWanted(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	m := NewMove(streams(&out), None, "client-x")
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepDone})
	m.Rows(half())
	m.Finding("x")
	m.Close()
	fleet := NewFleet(streams(&out), None, "provision", 2)
	fleet.Ended("a", errors.New("x"))
	fleet.Close()
	require.Empty(t, out.String())
	require.Equal(t, Plain, Auto.on(streams(&out)), "what isn't a terminal gets lines")
	require.Equal(t, Plain, Bar.on(streams(&out)))
}

func TestShares(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5, half().Share(), 0.001)
	require.Zero(t, (migrate.Progress{}).Share())
	over := migrate.TableProgress{Rows: 2000, Expected: 1000, Bytes: 5, Of: 1}
	require.Less(t, over.Share(), 1.0, "a wrong estimate doesn't end a table")
	require.InDelta(t, 1, (migrate.Progress{Tables: []migrate.TableProgress{{Done: true}}}).Share(), 0)
	require.InDelta(t, 0.25, migrate.TableProgress{Bytes: 25, Of: 100}.Share(), 0.001, "by bytes where rows were never counted")
}

func TestBlockFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	m, at := watched(&out, Bar)
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepStarted})
	at.pass(time.Second)
	p := migrate.Progress{Phase: "copy"}
	for _, name := range strings.Fields("a b c d e f g h i") {
		p.Tables = append(p.Tables, migrate.TableProgress{Name: "public." + strings.Repeat(name, 60), Rows: 1, Expected: 2, Bytes: 1, Of: 2})
	}
	m.Rows(p)
	lines := m.block()
	require.Len(t, lines, 2+maxBars+1)
	require.Contains(t, lines[0], "  copy                       ████░░░░  50%  0 rows, 0 B  0 of 9 tables")
	require.Contains(t, lines[len(lines)-1], "and 3 more tables under way")
	for _, line := range lines {
		require.LessOrEqual(t, len([]rune(line)), 79)
	}
}

// TestBars keeps how a terminal of 80 columns shows work: names, bars and words each in their column, as in the dashboard.
func TestBars(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	m, at := watched(&out, Bar)
	m.Step(operation.StepEvent{Step: "inspect", State: operation.StepStarted})
	at.pass(1200 * time.Millisecond)
	require.Equal(t, []string{"> inspect    started  1 s"}, m.block())
	m.Step(operation.StepEvent{Step: "copy", State: operation.StepStarted})
	for i := range 11 {
		p := half()
		p.Tables[0].Rows = int64(i * 50)
		p.Bytes = int64(i*i) << 19
		m.Rows(p)
		at.pass(500 * time.Millisecond)
	}
	require.Equal(t, strings.TrimPrefix(`
  copy       ███████████░░░░░░░░░░░  50%  500 rows, 50 MB  1 of 2 tables
  rate       ▁▁▂▃▃▄▅▅▆▇█            10 MB/s  5 s left
    public.a ███████████░░░░░░░░░░░  50%  500 rows`, "\n"), strings.Join(m.block(), "\n"))
	require.Equal(t, []string{"  provision ████████████░░░░░░░░░░░░ 2 of 4  1 failed"},
		drawn(80, look.Gauges(look.Room{Width: 79, Beside: besideCount, Least: leastBar}, look.Item{Name: "provision", Share: 0.5, Said: upgrade.Counted(2, 1, 4)})...))
	require.Equal(t, []string{"> wave  2 of 10  general ███████████████████████░ 1,200 of 1,234  3 failed  4 s left"},
		drawn(100, look.Gauges(look.Room{Width: 99, Beside: besideCount, Least: leastBar},
			upgrade.WaveGauge(look.SignRunning, upgrade.Wave{Number: 2, Ring: "general", Size: 1234}, 10, 1200, 3, "4 s left"))...))
}

func TestFleetCounts(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := &clock{time.Now()}
	f := &Fleet{streams: streams(&out), mode: Plain, what: "provision", of: 4, now: at.now, said: at.at}
	f.meter.Add(at.at, 0, 0)
	f.Ended("a", nil)
	at.pass(6 * time.Second)
	f.Ended("b", errors.New("no"))
	require.Equal(t, "provision: 2 of 4  1 failed  6 s left\n", out.String())
}
