package stream_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/test/fixture"
)

// engine runs one file forward or back.
type engine interface {
	up() error
	down() error
}

// theirs is golang-migrate over a URL, as its command line tool uses it: a process, hence a session, for each file.
type theirs struct {
	files fs.FS
	dsn   string
}

// newTheirs leaves out the byte order marks, which golang-migrate sends to the server.
func newTheirs(t *testing.T, fsys fs.FS, s *stream.Stream, dsn, schema string) theirs {
	t.Helper()
	plain := fstest.MapFS{}
	entries, err := fs.ReadDir(fsys, ".")
	require.NoError(t, err)
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		body, err := fs.ReadFile(fsys, entry.Name())
		require.NoError(t, err)
		plain[entry.Name()] = &fstest.MapFile{Data: bytes.TrimPrefix(body, []byte("\uFEFF"))}
	}
	at, err := url.Parse(dsn)
	require.NoError(t, err)
	query := at.Query()
	query.Set("search_path", schema)
	query.Set("x-migrations-table", s.Table())
	at.Scheme, at.RawQuery = "pgx5", query.Encode()
	return theirs{files: plain, dsn: at.String()}
}

func (e theirs) steps(n int) error {
	from, err := iofs.New(e.files, ".")
	if err != nil {
		return err
	}
	m, err := migrate.NewWithSourceInstance("iofs", from, e.dsn)
	if err != nil {
		return err
	}
	err = m.Steps(n)
	_, closing := m.Close()
	return errors.Join(err, closing)
}

func (e theirs) up() error   { return e.steps(1) }
func (e theirs) down() error { return e.steps(-1) }

// ours is this package.
type ours struct {
	t      *testing.T
	conn   *pgx.Conn
	target stream.Target
	files  *stream.Stream
}

func newOurs(t *testing.T, s *stream.Stream, dsn, schema string) ours {
	t.Helper()
	return ours{t: t, conn: bundle{ctx: t.Context(), dsn: dsn}.connect(t), target: stream.Target{Schema: schema}, files: s}
}

// at is the index of the file whose version the schema has, -1 for none.
func (e ours) at() (int, error) {
	stands, err := stream.Stands(e.t.Context(), e.conn, e.files, []string{e.target.Schema})
	if err != nil || stands[e.target.Schema].Version == nil {
		return -1, err
	}
	for i, file := range e.files.Files() {
		if file.Version == stands[e.target.Schema].Version.Number {
			return i, nil
		}
	}
	return 0, fmt.Errorf("stands at %+v", *stands[e.target.Schema].Version)
}

func (e ours) up() error {
	i, err := e.at()
	if err != nil {
		return err
	}
	_, err = stream.Apply(e.t.Context(), e.conn, e.target, e.files, e.files.Files()[i+1].Version)
	return err
}

func (e ours) down() error {
	i, err := e.at()
	if err != nil {
		return err
	}
	var to *uint64
	if i > 0 {
		to = &e.files.Files()[i-1].Version
	}
	_, err = stream.Revert(e.t.Context(), e.conn, e.target, e.files, to)
	return err
}

// turns lets two engines take turns on one schema: each continues what the other left.
type turns struct {
	engines [2]engine
	taken   int
}

func (e *turns) next() engine {
	e.taken++
	return e.engines[e.taken%2]
}

func (e *turns) up() error   { return e.next().up() }
func (e *turns) down() error { return e.next().down() }

// place is a schema and what works on it.
type place struct {
	dsn, schema string
	engine
}

// contest is the same files in four places: theirs alone, ours alone, and both in turns.
type contest struct {
	files   *stream.Stream
	places  []place
	pattern string // of the schemas' names, for pg_dump
}

// newContest makes the places. In one database there are several tenants at once, which is what this program is for; files
// that name their schema need a database each.
func newContest(t *testing.T, fsys fs.FS, schema string) contest {
	t.Helper()
	s, err := stream.Read("conform", fsys)
	require.NoError(t, err)
	c := contest{files: s, pattern: cmp.Or(schema, "tenant_*")}
	shared := localtest.Database(t)
	for i := range 4 {
		p := place{dsn: shared, schema: fmt.Sprintf("tenant_%d", i)}
		if schema != "" {
			p.dsn, p.schema = localtest.Database(t), schema
		}
		bundle{ctx: t.Context(), dsn: p.dsn}.run(t, "create schema if not exists "+postgres.Ident(p.schema))
		us, them := newOurs(t, s, p.dsn, p.schema), newTheirs(t, fsys, s, p.dsn, p.schema)
		p.engine = []engine{them, us, &turns{engines: [2]engine{us, them}}, &turns{engines: [2]engine{them, us}}}[i]
		c.places = append(c.places, p)
	}
	return c
}

// run sends a statement by a session of its own.
func (b bundle) run(t *testing.T, sql string) {
	t.Helper()
	b.conn = b.connect(t)
	b.exec(t, sql)
	require.NoError(t, b.conn.Close(b.ctx))
}

// move moves every place by one file at once, and returns the SQLSTATE with which golang-migrate failed, "" where none did. All
// places have to fare alike.
func (c contest) move(t *testing.T, what string, step func(engine) error) string {
	t.Helper()
	errs := make([]error, len(c.places))
	var wait sync.WaitGroup
	for i, p := range c.places {
		wait.Go(func() { errs[i] = step(p.engine) })
	}
	wait.Wait()
	want := state(errs[0])
	for i, err := range errs {
		require.Equal(t, want, state(err), "%s in place %d: golang-migrate: %v; here: %v", what, i, errs[0], err)
	}
	return want
}

// state is the SQLSTATE of an error from either engine, "" for none and the error's text where the server had no part in it.
func state(err error) string {
	var pgErr *pgconn.PgError
	var value database.Error
	var pointer *database.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &pgErr):
		return pgErr.Code
	case errors.As(err, &value):
		return state(value.OrigErr)
	case errors.As(err, &pointer):
		return state(pointer.OrigErr)
	}
	return err.Error()
}

var (
	// entryHead begins each object of a dump and names its schema.
	entryHead = regexp.MustCompile(`(?m)^--\n-- (?:Data for )?Name: .*; Type: .*; Schema: (.*); Owner: .*\n--\n`)
	// settings stand where they change, for all schemas of the dump.
	settings = regexp.MustCompile(`(?m)^SET default_.*\n`)
	// rows are those of one table.
	rows = regexp.MustCompile(`(?ms)^COPY [^\n]* FROM stdin;\n.*?^\\\.\n`)
	// passing is what no two runs share: the present moment, and random UUIDs.
	passing = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`)
)

// dumps is all that each place holds, rows and version row included, under a schema's name that all share.
func (c contest) dumps(t *testing.T) []string {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	whole := map[string]string{}
	for _, p := range c.places {
		if _, done := whole[p.dsn]; !done {
			out, err := tools.Run(t.Context(), "pg_dump", p.dsn, "--schema="+c.pattern, "--restrict-key=x")
			require.NoError(t, err)
			whole[p.dsn] = string(out)
		}
	}
	found := make([]string, len(c.places))
	for i, p := range c.places {
		found[i] = ofSchema(whole[p.dsn], p.schema)
		require.Contains(t, found[i], c.files.Table())
	}
	return found
}

// ofSchema is what a dump says of one schema, without the settings that are written where they change.
func ofSchema(dump, schema string) string {
	var kept strings.Builder
	dump, _, _ = strings.Cut(dump, "--\n-- PostgreSQL database dump complete\n")
	heads := entryHead.FindAllStringSubmatchIndex(dump, -1)
	for i, head := range heads {
		end := len(dump)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		if dump[head[2]:head[3]] != schema {
			continue
		}
		entry := passing.ReplaceAllString(settings.ReplaceAllString(dump[head[0]:end], ""), "?")
		entry = rows.ReplaceAllStringFunc(entry, sorted)
		kept.WriteString(strings.ReplaceAll(strings.TrimRight(entry, "\n"), schema, "the_schema") + "\n\n")
	}
	return kept.String()
}

// sorted are lines in order: where a row lies in its table depends on when the server made room there.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (c contest) compare(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s %s", time.Now().Format(time.TimeOnly), what)
	dumps := c.dumps(t)
	for i, dump := range dumps {
		if dump != dumps[0] {
			require.Fail(t, "not as golang-migrate leaves it", "%s, place %d: %s", what, i, firstDifference(dumps[0], dump))
		}
	}
}

// firstDifference shows where two long texts part.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	around := func(lines []string) string {
		return strings.Join(lines[max(0, min(i, len(lines))-6):min(i+6, len(lines))], "\n")
	}
	return fmt.Sprintf("line %d\n--- expected\n%s\n--- here\n%s", i+1, around(a), around(b))
}

// conform proves that we leave what golang-migrate leaves: the same dump, to the letter, at every version on the way up, and
// on the way back as far as there is one. Files that name their schema are given it; others run in tenants' schemas. It returns
// how many files went up and how many of them back.
func conform(t *testing.T, fsys fs.FS, schema string) (ups, downs int) {
	t.Helper()
	c := newContest(t, fsys, schema)
	files := c.files.Files()
	for i, file := range files {
		if failed := c.move(t, file.Up.Path, engine.up); failed != "" {
			t.Logf("%s fails everywhere with %s", file.Up.Path, failed)
			return i, 0
		}
		c.compare(t, file.Up.Path)
	}
	for i := len(files) - 1; i >= 0 && files[i].Reversible(); i-- {
		if failed := c.move(t, files[i].Down.Path, engine.down); failed != "" {
			t.Logf("%s fails everywhere with %s", files[i].Down.Path, failed)
			break
		}
		c.compare(t, files[i].Down.Path)
		downs++
	}
	return len(files), downs
}

func TestTheTradersHistoryConforms(t *testing.T) {
	t.Parallel()
	ups, downs := conform(t, fixture.TraderFiles(t), "")
	require.Equal(t, 52, ups)
	require.Equal(t, 50, downs, "all but the second, which has no way down")
}

func TestTheBuiltinStreamsConform(t *testing.T) {
	t.Parallel()
	for _, builtin := range []struct{ folder, schema string }{
		{"../platform/core/migrations", ""},
		{"../platform/users/migrations", ""},
		{"../platform/auth/migrations", ""},
		{"../platform/legacy/migrations", "public"}, // the monolith owns its database
	} {
		t.Run(builtin.folder, func(t *testing.T) {
			t.Parallel()
			ups, downs := conform(t, os.DirFS(builtin.folder), builtin.schema)
			require.Positive(t, ups)
			require.Equal(t, ups, downs)
		})
	}
}

// A folder of golang-migrate's files of your own, for a run by hand:
//
//	CONFORM_FOLDER=~/shop/migrations go test -run TestTheFolderConforms -v ./internal/stream
//
// CONFORM_SCHEMA is the schema that they name; "" where they name none, as files of tenants should.
func TestTheFolderConforms(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("CONFORM_FOLDER")
	if folder == "" {
		t.Skip("CONFORM_FOLDER names no folder of migrations")
	}
	ups, downs := conform(t, withWaysDown(t, os.DirFS(folder)), os.Getenv("CONFORM_SCHEMA"))
	t.Logf("%d files up, %d back", ups, downs)
}

// withWaysDown gives a way down that does nothing to whatever has none, so that all others are tried.
func withWaysDown(t *testing.T, fsys fs.FS) fs.FS {
	t.Helper()
	s, err := stream.Read("conform", fsys)
	require.NoError(t, err)
	all := fstest.MapFS{}
	for _, file := range s.Files() {
		down := fmt.Sprintf("%d_x.down.sql", file.Version)
		all[down] = &fstest.MapFile{Data: []byte("select 'nothing'")}
		if file.Reversible() {
			all[down].Data = []byte(file.Down.SQL)
		}
		if file.Up.Path != "" {
			all[file.Up.Path] = &fstest.MapFile{Data: []byte(file.Up.SQL)}
		}
	}
	return all
}

func TestTheTradersOwnerNeedsItsSchemaOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	trader := fixture.Trader(t)
	result, err := stream.Apply(b.ctx, b.conn, b.target, trader, trader.Newest())
	require.NoError(t, err)
	require.Len(t, result.Applied, len(trader.Files()))
	require.Equal(t, b.target.Role, b.text(t, `select string_agg(distinct tableowner, ',') from pg_tables where schemaname = 'tenant_a'`))
	_, err = stream.Revert(b.ctx, b.conn, b.target, trader, new(uint64(2)))
	require.NoError(t, err)
}
