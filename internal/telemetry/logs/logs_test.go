package logs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/telemetry/logs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// write puts lines into a folder's file.
func write(t *testing.T, dir, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// line is one as a service writes it, so many milliseconds after noon.
func line(after int, service, message, others string) string {
	return fmt.Sprintf(`{"time":%q,"level":"INFO","msg":%q,"service":%q%s}`, noon.Add(time.Duration(after)*time.Millisecond).Format(time.RFC3339Nano), message, service, others)
}

// read gives the messages that a query finds.
func read(t *testing.T, q logs.Query, sources ...logs.Source) []string {
	t.Helper()
	var found []string
	for l, err := range logs.Open(sources...).Lines(t.Context(), q) {
		require.NoError(t, err)
		found = append(found, l.Message)
	}
	return found
}

func TestLinesOfSeveralFilesComeByTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "serve-1.log.2", line(1, "core", "a", ""))
	write(t, dir, "serve-1.log.1", line(3, "core", "c", ""), line(6, "core", "f", ""), line(5, "core", "e", "")) // two goroutines
	write(t, dir, "serve-1.log", line(8, "core", "h", ""))
	write(t, dir, "serve-2.log", line(2, "auth", "b", ""), line(4, "auth", "d", ""), "no JSON", line(7, "auth", "g", ""))
	write(t, dir, "other.txt", line(1, "x", "not ours", ""))
	require.Equal(t, []string{"a", "b", "c", "d", "no JSON", "e", "f", "g", "h"}, read(t, logs.Query{}, logs.Folder(dir)))
	require.Equal(t, []string{"g", "h"}, read(t, logs.Query{Last: 2}, logs.Folder(dir)))
	require.Equal(t, []string{"b", "d", "g"}, read(t, logs.Query{Services: []string{"auth"}}, logs.Folder(dir)))
	require.Equal(t, []string{"f", "g", "h"}, read(t, logs.Query{Since: noon.Add(6 * time.Millisecond)}, logs.Folder(dir)))
	require.Equal(t, []string{"b", "d", "no JSON", "g"}, read(t, logs.Query{}, logs.Path(filepath.Join(dir, "serve-2.log"))))
	require.Empty(t, read(t, logs.Query{}, logs.Folder(filepath.Join(dir, "nowhere"))))
}

func TestWhatALineSays(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		`core-1  | {"time":"2026-01-02T12:00:00.5Z","level":"ERROR","msg":"it broke","service":"core","tenant":"a","trace":"4bf9","span":"00f0","count":3,"error":"no \"luck\""}`,
		`panic: runtime error`,
		`{"level":"WARN","msg":"no time"}`,
		`{"level":"WARN"}`,
		`{"msg":`,
	}, "\n") // and no end of the last one
	var found []logs.Line
	for l, err := range logs.Open(logs.Stream(strings.NewReader(text))).Lines(t.Context(), logs.Query{}) {
		require.NoError(t, err)
		found = append(found, l)
	}
	require.Len(t, found, 5)
	require.Equal(t, logs.Line{
		Time: noon.Add(500 * time.Millisecond), Level: slog.LevelError, Message: "it broke", Service: "core", Tenant: "a", Trace: "4bf9", Span: "00f0",
		Others: []logs.Attribute{{Key: "count", Value: "3"}, {Key: "error", Value: `no "luck"`}},
		Raw:    []byte(text[strings.IndexByte(text, '{'):strings.IndexByte(text, '\n')]),
	}, found[0])
	require.Equal(t, logs.Line{Time: found[0].Time, Message: "panic: runtime error"}, found[1])
	require.Equal(t, found[0].Time, found[2].Time)
	require.Equal(t, slog.LevelWarn, found[2].Level)
	require.Equal(t, `{"level":"WARN"}`, found[3].Message)
	require.Equal(t, `{"msg":`, found[4].Message)
}

func TestOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		line(1, "core", "mine", `,"tenant":"a","trace":"4bf92f3577b34da6a3ce929d0e0e4736"`),
		line(2, "core", "speaks of a and 4bf92f3577b34da6a3ce929d0e0e4736", `,"tenant":"b","trace":"00000000000000000000000000000001"`),
		strings.Replace(line(3, "core", "grave", `,"tenant":"a"`), "INFO", "ERROR", 1),
		"of a, 4bf92f3577b34da6a3ce929d0e0e4736, but who knows",
	}, "\n")
	from := func() logs.Source { return logs.Stream(strings.NewReader(text)) }
	require.Equal(t, []string{"mine"}, read(t, logs.Query{Trace: "4bf92f3577b34da6a3ce929d0e0e4736"}, from()))
	require.Equal(t, []string{"mine"}, read(t, logs.Query{Trace: "4bf9"}, from()))
	require.Equal(t, []string{"mine", "grave"}, read(t, logs.Query{Tenant: "a"}, from()))
	require.Equal(t, []string{"grave"}, read(t, logs.Query{Level: slog.LevelWarn}, from()))
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long, tooLong := strings.Repeat("x", 100_000), strings.Repeat("y", 3<<20)
	write(t, dir, "serve-1.log", line(1, "core", long, ""), tooLong, line(2, "core", "after", ""))
	found := read(t, logs.Query{}, logs.Folder(dir))
	require.Len(t, found, 3)
	require.True(t, found[0] == long)
	require.Equal(t, 1<<20, len(found[1]))
	require.Equal(t, "after", found[2])
}

func TestWhoFollowsMissesNothingOverRotations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const perWriter, writers = 3000, 2
	write(t, dir, "serve-9.log", line(0, "core", "before", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	for w := range writers {
		group.Go(func() {
			file, err := logs.Create(dir, "serve", 200_000) // about 2,000 lines
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = file.Close() }()
			log := slog.New(slog.NewJSONHandler(file, nil))
			for n := range perWriter {
				log.Info("written", "writer", w, "n", n)
				if n%500 == 0 {
					time.Sleep(50 * time.Millisecond) // so that not more is set aside between two looks than is kept
				}
			}
		})
	}
	next := map[string]int{}
	seen := 0
	for l, err := range logs.Open(logs.Folder(dir)).Follow(ctx, logs.Query{}) {
		require.NoError(t, err)
		if l.Message == "before" {
			require.Zero(t, seen)
			continue
		}
		require.Equal(t, fmt.Sprint(next[l.Others[1].Value]), l.Others[0].Value)
		next[l.Others[1].Value]++
		if seen++; seen == perWriter*writers {
			break
		}
	}
	require.Equal(t, perWriter*writers, seen)
	aside, err := filepath.Glob(filepath.Join(dir, "*.log.?"))
	require.NoError(t, err)
	require.NotEmpty(t, aside)
}

func TestEachProcessHasItsFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made")
	first, err := logs.Create(dir, "serve", 0)
	require.NoError(t, err)
	second, err := logs.Create(dir, "serve", 0)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "serve-1.log"), first.Path())
	require.Equal(t, filepath.Join(dir, "serve-2.log"), second.Path())
	_, err = first.Write([]byte(`{"msg":"cut off`)) // by a kill
	require.NoError(t, err)
	require.NoError(t, first.Close())
	again, err := logs.Create(dir, "serve", 0)
	require.NoError(t, err)
	require.Equal(t, first.Path(), again.Path())
	_, err = again.Write([]byte(line(1, "core", "after", "") + "\n"))
	require.NoError(t, err)
	require.Equal(t, []string{`{"msg":"cut off`, "after"}, read(t, logs.Query{}, logs.Folder(dir)))
	require.NoError(t, again.Close())
	require.NoError(t, second.Close())
}

func TestWhatIsSetAsideIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := logs.Create(dir, "serve", 1000)
	require.NoError(t, err)
	text := strings.Repeat("x", 99) + "\n"
	for range 200 {
		_, err := file.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	total := int64(0)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		total += info.Size()
	}
	require.Equal(t, int64(5000), total)
}

func TestAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, err := range logs.Open(logs.Path(filepath.Join(t.TempDir(), "none.log"))).Lines(t.Context(), logs.Query{}) {
		require.ErrorIs(t, err, os.ErrNotExist)
		return
	}
	t.Fatal("it was found")
}
