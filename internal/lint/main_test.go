package lint_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/lint/parse"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// parser is one for all tests: it takes seconds to start.
var parser = parse.New(parse.Options{})

// read makes a stream of files.
func read(t *testing.T, files map[string]string) *stream.Stream {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := stream.Read("shop", fsys)
	require.NoError(t, err)
	return s
}

// judge lints a stream of one service.
func judge(t *testing.T, in lint.Input, tenants int) *lint.Report {
	t.Helper()
	in.Service = "shop"
	report, err := lint.Run(t.Context(), lint.Options{Inputs: []lint.Input{in}, Tenants: tenants, Parser: parser})
	require.NoError(t, err)
	return report
}

// find lints files and returns all findings.
func find(t *testing.T, files map[string]string) []lint.Finding {
	t.Helper()
	return all(judge(t, lint.Input{Stream: read(t, files)}, 0))
}

func all(report *lint.Report) []lint.Finding {
	var findings []lint.Finding
	for _, service := range report.Services {
		for _, file := range service.Files {
			findings = append(findings, file.Findings...)
		}
	}
	return findings
}

// ups makes files of ups, each without a way back and with a reason.
func ups(scripts ...string) map[string]string {
	return lint.Example{Given: []string{}}.SafeFiles(scripts)
}

func rules(findings []lint.Finding) []string {
	ids := []string{}
	for _, f := range findings {
		ids = append(ids, f.Rule)
	}
	return ids
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(t.Context(), conn, sql), sql)
}
