package mapping

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

//go:embed sql/uncarried.sql
var uncarriedSQL string

//go:embed sql/view_reads.sql
var viewReadsSQL string

const notCarried = "not-carried"

// notes names what a mapping doesn't carry: nothing is dropped in silence.
func (c *compiler) notes(ctx context.Context) error {
	c.noteUnusedPatterns()
	reads, err := c.viewReads(ctx)
	if err != nil {
		return err
	}
	c.noteViews(reads)
	for _, sequence := range c.catalog.Sequences {
		if sequence.OwnedBy == "" && !c.out.Lifts(sequence.Schema, sequence.Name) {
			c.found(inspect.Note, notCarried, "sequence "+sequence.String(), "belongs to no column: it stays behind unless a lifted table uses it", "")
		}
	}
	return c.noteRoutines(ctx)
}

func (c *compiler) noteUnusedPatterns() {
	for _, pattern := range c.mapping.Lift {
		used := slices.ContainsFunc(c.catalog.Tables, func(t inspect.Table) bool {
			return !t.IsPartition && c.out.Lifts(t.Schema, t.Name) && pattern.Matches(t.Schema, t.Name, c.out.path)
		})
		if !used {
			c.found(inspect.Warning, "mapping-unused", "lift "+pattern.String(), c.mapping.File+": the pattern finds no table to lift", "")
		}
	}
}

// viewReads lists for each view, by its quoted name, the relations that it reads.
func (c *compiler) viewReads(ctx context.Context) (map[string][]inspect.Relation, error) {
	reads := map[string][]inspect.Relation{}
	var view, read inspect.Relation
	err := postgres.Each(ctx, c.judge.tx, viewReadsSQL, nil, []any{&view.Schema, &view.Name, &read.Schema, &read.Name}, func() error {
		key := postgres.Ident(view.Schema, view.Name)
		reads[key] = append(reads[key], read)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what views read: %w", err)
	}
	return reads, nil
}

// noteViews names the views that stay behind: no pattern selects them, or they read what isn't lifted.
func (c *compiler) noteViews(reads map[string][]inspect.Relation) {
	views := slices.Concat(c.catalog.Views, c.catalog.MatViews)
	for changed := true; changed; {
		changed = false
		for _, view := range views {
			key := postgres.Ident(view.Schema, view.Name)
			if !c.out.Lifts(view.Schema, view.Name) {
				continue
			}
			for _, read := range reads[key] {
				if !c.out.Lifts(read.Schema, read.Name) {
					c.out.kept[key], changed = true, true
					c.found(inspect.Warning, notCarried, "view "+view.String(), "stays behind: it reads "+read.String()+", which isn't lifted", "")
					break
				}
			}
		}
	}
	for _, view := range views {
		if c.out.kept[postgres.Ident(view.Schema, view.Name)] || c.out.Lifts(view.Schema, view.Name) {
			continue
		}
		ignored := slices.ContainsFunc(c.mapping.Ignore, func(i Ignore) bool { return i.Column == "" && c.names(i.Table, view) })
		if !ignored {
			c.found(inspect.Note, notCarried, "view "+view.String(), "stays behind", "")
		}
	}
}

func (c *compiler) noteRoutines(ctx context.Context) error {
	if _, err := c.judge.tx.Exec(ctx, "set local search_path = ''"); err != nil {
		return fmt.Errorf("set the search path: %w", err)
	}
	tables := make([]string, 0, len(c.legacy))
	for name := range c.legacy {
		tables = append(tables, name)
	}
	slices.Sort(tables)
	var kind, shown string
	err := postgres.Each(ctx, c.judge.tx, uncarriedSQL, []any{tables, c.catalog.Schemas}, []any{&kind, &shown}, func() error {
		message := "belongs to a mapped table and stays behind"
		if kind == "function" {
			message = "stays behind unless a lifted table uses it"
		}
		c.found(inspect.Note, notCarried, kind+" "+shown, message, "")
		return nil
	})
	if err != nil {
		return fmt.Errorf("list routines, triggers and rules: %w", err)
	}
	return nil
}
