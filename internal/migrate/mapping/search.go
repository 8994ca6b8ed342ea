package mapping

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// search finds the rows of a table for which the trial fails. Ranges of pages that fail are halved; a small one is gone through
// row by row on the server, in a PL/pgSQL block that traps each row's error. Where PL/pgSQL can't be had, halving goes on down
// to one row.
type search struct {
	trial
	tx       pgx.Tx
	tallies  []tally
	small    int64 // pages that one block takes
	noBlocks bool  // the server has no PL/pgSQL for us
	queries  int   // without it
}

const (
	// smallRange is how many pages one block takes: few enough that it sees few good rows, enough that blocks are few.
	smallRange = 64
	// tidRangeScan is the first PostgreSQL version that reads a range of pages without reading the pages before it.
	tidRangeScan = 140000
	// mostQueries bounds the search without PL/pgSQL: where nearly every row fails, it gives up counting.
	mostQueries = 20_000
)

func (s *search) run(ctx context.Context) error {
	var pages int64
	var version int
	err := s.tx.QueryRow(ctx, `select pg_relation_size($1::regclass) / current_setting('block_size')::int,
		current_setting('server_version_num')::int`, s.from).Scan(&pages, &version)
	if err != nil {
		return fmt.Errorf("read the size of the table: %w", err)
	}
	if s.small = smallRange; version < tidRangeScan {
		s.small = pages // each range would be a scan of the whole table
	}
	if err := s.halve(ctx, 0, pages); err != nil {
		return err
	}
	for i := range s.tallies {
		s.tallies[i].stopped = s.queries > mostQueries
	}
	return nil
}

func (s *search) halve(ctx context.Context, from, to int64) error {
	if from >= to || s.queries > mostQueries {
		return nil
	}
	if s.noBlocks {
		s.queries++
	}
	pages := fmt.Sprintf("ctid >= '(%d,0)'::tid and ctid < '(%d,0)'::tid", from, to)
	err := within(ctx, s.tx, func(tx pgx.Tx) error { return s.scan(ctx, tx, pages, s.tallies) })
	if err == nil || !rowsAtFault(err) {
		return err
	}
	if to-from <= s.small && !s.noBlocks {
		err := within(ctx, s.tx, func(tx pgx.Tx) error { return s.each(ctx, tx, pages, s.tallies) })
		if !noLanguage(err) {
			return err
		}
		s.noBlocks = true
	}
	if to-from == 1 {
		return s.page(ctx, pages)
	}
	middle := (from + to) / 2
	if err := s.halve(ctx, from, middle); err != nil {
		return err
	}
	return s.halve(ctx, middle, to)
}

// page tries the rows of one page.
func (s *search) page(ctx context.Context, page string) error {
	rows, err := s.tx.Query(ctx, "select ctid::text, "+s.key+" from only "+s.from+" where "+page)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[located])
	if err != nil {
		return err
	}
	for _, row := range found {
		if s.queries++; s.queries > mostQueries {
			return nil
		}
		here := "ctid = '" + row.Place + "'::tid"
		err := within(ctx, s.tx, func(tx pgx.Tx) error { return s.scan(ctx, tx, here, s.tallies) })
		if rowsAtFault(err) {
			err = s.row(ctx, here, row.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// located is a row and where it lies.
type located struct {
	Place, Name string
}

// row finds the groups that fail for one row.
func (s *search) row(ctx context.Context, here, name string) error {
	alone := trial{from: s.from, where: s.where, key: s.key}
	err := within(ctx, s.tx, func(tx pgx.Tx) error { return alone.scan(ctx, tx, here, nil) })
	if rowsAtFault(err) {
		s.tallies[len(s.groups)].fail(name, err)
		return nil
	}
	for i, g := range s.groups {
		if err != nil {
			return err
		}
		alone.groups = []group{g}
		err = within(ctx, s.tx, func(tx pgx.Tx) error { return alone.scan(ctx, tx, here, s.tallies[i:i+1]) })
		if rowsAtFault(err) {
			s.tallies[i].fail(name, err)
			err = nil
		}
	}
	return err
}

func (t *tally) fail(row string, err error) {
	t.failed++
	if len(t.errors) < mostListed {
		t.errors = append(t.errors, sample{row, serverMessage(err)})
	}
}

// serverMessage is what the server says, without its SQLSTATE.
func serverMessage(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Message
	}
	return err.Error()
}
