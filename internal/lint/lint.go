package lint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Input is one service's files.
type Input struct {
	Service string
	// Stream is nil where the files couldn't be read; Fault says why.
	Stream *stream.Stream
	Fault  error
	// Dir is put before the names of the files.
	Dir string
	// Since has only newer versions judged; older ones still tell what the schema is like.
	Since uint64
	// Edited are versions whose files aren't what some tenant was made from, and what differs.
	Edited map[uint64]string
}

func (in *Input) path(name string) string { return path.Join(in.Dir, name) }

// Options are what to judge.
type Options struct {
	Inputs []Input
	// Tenants is how many tenants each file runs for; 0 unknown.
	Tenants int
	// Parser parses; nil is one of Run's own, which it ends.
	Parser *parse.Parser
}

// run is one call of Run.
type run struct {
	opts   Options
	rules  []Rule
	book   rulebook
	shared map[string]string // tables of streams that every tenant shares, and whose
}

// NewParser makes a parser for several runs, to be closed behind them. It keeps what it compiles in a folder; "" keeps nothing.
func NewParser(cacheDir string) *parse.Parser {
	return parse.New(parse.Options{CacheDir: cacheDir})
}

// Run judges migration files. Files that can't be parsed are findings; the error is of lint itself.
func Run(ctx context.Context, opts Options) (_ *Report, err error) {
	if opts.Parser == nil {
		opts.Parser = NewParser("")
		defer func() { err = errors.Join(err, opts.Parser.Close(context.WithoutCancel(ctx))) }()
	}
	rules := Rules()
	r := &run{opts: opts, rules: rules, book: newRulebook(rules), shared: map[string]string{}}
	report := &Report{Tenants: opts.Tenants, Services: []ServiceReport{}}
	var all []*work
	for i := range opts.Inputs {
		all = append(all, r.prepare(&opts.Inputs[i]))
	}
	if err := r.parse(ctx, all); err != nil {
		return nil, err
	}
	for _, w := range all {
		r.collectShared(w)
	}
	for _, w := range all {
		report.Services = append(report.Services, r.judge(w))
	}
	return report, nil
}

// work is one service's files on their way.
type work struct {
	in      *Input
	scripts []*script // in order: up and down of a version side by side
	parsed  map[*script]*result
}

type result struct {
	statements []parsed
	fault      *parse.Error
}

func (r *run) prepare(in *Input) *work {
	w := &work{in: in, parsed: map[*script]*result{}}
	if in.Stream == nil {
		return w
	}
	for _, file := range in.Stream.Files() {
		if file.Up.Path != "" {
			w.scripts = append(w.scripts, newScript(r, in, file, Up))
		}
		if file.Version > in.Since && file.Down.Path != "" {
			w.scripts = append(w.scripts, newScript(r, in, file, Down))
		}
	}
	for _, s := range w.scripts {
		w.parsed[s] = &result{}
	}
	return w
}

// parse parses every script once. Those without statements, and runs without any, never start the parser.
func (r *run) parse(ctx context.Context, all []*work) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, w := range all {
		for _, s := range w.scripts {
			into := w.parsed[s]
			if empty(s.sql) {
				continue
			}
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return fmt.Errorf("parse %s: %w", s.path, err)
				}
				statements, err := parseScript(ctx, r.opts.Parser, s.sql)
				if err != nil && !errors.As(err, &into.fault) {
					return fmt.Errorf("parse %s: %w", s.path, err)
				}
				into.statements = statements
				return nil
			})
		}
	}
	return group.Wait()
}

// collectShared learns which tables all tenants share.
func (r *run) collectShared(w *work) {
	if w.in.Stream == nil || w.in.Stream.Scope != stream.PerInstance {
		return
	}
	for _, s := range w.scripts {
		for i := range w.parsed[s].statements {
			if create := w.parsed[s].statements[i].CreateStmt; create != nil {
				r.shared[create.Relation.Name] = w.in.Service
			}
		}
	}
}

// judge judges one service's files in their order.
func (r *run) judge(w *work) ServiceReport {
	report := ServiceReport{Service: w.in.Service, Files: []FileReport{}}
	if w.in.Stream == nil {
		report.Files = append(report.Files, r.unreadable(w.in)...)
		return report
	}
	m := newModel()
	torn := uint64(0) // the version whose way up can't be read, so that nobody knows what its way back takes back
	for _, s := range w.scripts {
		fault := w.parsed[s].fault
		if fault != nil && s.direction == Up {
			torn = s.file.Version
		}
		s.model = m
		if s.direction == Up || torn != s.file.Version {
			s.add(w.parsed[s].statements)
		}
		s.judgeAll(fault)
	}
	r.atEnd(w, m)
	report.Files = append(report.Files, r.noticed(w.in)...)
	for _, s := range w.scripts {
		if s.file.Version > w.in.Since || len(s.findings) > 0 {
			report.Files = append(report.Files, s.settle())
		}
	}
	return report
}

// judgeAll asks every rule about every statement, and learns what each changes.
func (s *script) judgeAll(fault *parse.Error) {
	judged := s.file.Version > s.input.Since
	if !judged {
		s.run.book[invalidID].whole(s) // an old file may have been edited
	}
	if fault != nil && judged {
		s.found(s.run.book[syntaxID], nil, fault.Pos, "", Error, words("%s", syntaxHint(s.sql, fault)), fault.Message)
	}
	for _, st := range s.statements {
		for i := range s.run.rules {
			if rule := &s.run.rules[i]; judged && rule.check != nil {
				rule.check(&site{script: s, statement: st, rule: rule})
			}
		}
		if s.direction == Up {
			s.model.learn(s, st)
		} else {
			s.note(st)
		}
	}
	for i := range s.run.rules {
		if rule := &s.run.rules[i]; judged && rule.whole != nil && fault == nil {
			rule.whole(s)
		}
	}
}

// syntaxHint knows the way in which files that work elsewhere don't here.
func syntaxHint(sql string, fault *parse.Error) string {
	if rest := sql[min(fault.Pos, len(sql)):]; strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "${") {
		return "migrations aren't templates; the file is sent to the server as it is"
	}
	return "mend it; the other rules can't read the file before"
}

// atEnd asks what can only be said when all files were read: a foreign key's index may come in a later file.
func (r *run) atEnd(w *work, m *model) {
	rule := r.book[hygieneID]
	for _, key := range slices.Sorted(maps.Keys(m.tables)) {
		t := m.tables[key]
		for _, f := range t.foreign {
			if f.at.file.Version <= w.in.Since || t.indexed(m, f.columns) {
				continue
			}
			on := ident(nameOf(lastPart(key), f.columns, "idx")) + " on " + relationKey(key) + " (" + idents(f.columns) + ");"
			safe := sql("create index concurrently " + on)
			if f.at.created["table "+key] {
				safe = words("in the same file, while the table is empty: create index %s", on)
			}
			f.at.found(rule, f.st, f.pos, key, Warning, safe, "no index leads with "+strings.Join(f.columns, ", ")+": each delete from the referenced table reads all of "+key)
		}
	}
}

// noticed are files that look like migrations and never run.
func (r *run) noticed(in *Input) []FileReport {
	var all []FileReport
	for _, notice := range in.Stream.Notices() {
		all = append(all, r.invalid(in, notice, Warning))
	}
	return all
}

// invalid is a finding about files as files.
func (r *run) invalid(in *Input, message string, severity Severity) FileReport {
	rule, file, line := r.book[invalidID], in.Dir, 1
	if match := faultPlace.FindStringSubmatch(message); match != nil {
		file = in.path(match[1])
		if n, err := strconv.Atoi(match[2]); err == nil {
			line = n
		}
	}
	return FileReport{Path: file, Suppressed: []Finding{}, Findings: []Finding{{
		Rule: rule.ID, Name: rule.Name, Severity: severity, Line: line, Column: 1, Message: message, Why: rule.Why,
		Rewrite: words("one NNN_name.up.sql for each version, and NNN_name.down.sql beside it"), statement: -1,
	}}}
}

var faultPlace = regexp.MustCompile(`(\S+\.sql)(?::(\d+))?`)

// unreadable makes findings of what stream.Read said.
func (r *run) unreadable(in *Input) []FileReport {
	var all []FileReport
	for _, fault := range faults(in.Fault) {
		all = append(all, r.invalid(in, fault, Error))
	}
	return all
}

// faults are the messages of joined errors, without what all have in common.
func faults(err error) []string {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && !errors.Is(err, tenant.ErrNotFound) {
		var all []string
		for _, inner := range joined.Unwrap() {
			if inner != tenant.ErrInvalid { //nolint:errorlint // the sentinel itself, joined beside a message
				all = append(all, faults(inner)...)
			}
		}
		return all
	}
	return []string{strings.TrimSuffix(err.Error(), ": "+tenant.ErrInvalid.Error())}
}
