package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/collations_used.sql
	collationsUsedSQL string
	//go:embed sql/collations.sql
	collationsSQL string
	//go:embed sql/collation_version.sql
	collationVersionSQL string
	//go:embed sql/range_by_text.sql
	rangeByTextSQL string
)

// usedCollation is a collation that something of the client's depends on, or that is the client's own.
type usedCollation struct {
	Schema, Name  string
	Provider      string // "c", "i" or "d"
	Locale        string
	Version       string // of its rules when it was made
	ActualVersion string // today
	UsedBy        string // one object
}

type offeredCollation struct{ Name, Provider, Locale string }

// versionKnown is the first major version that keeps a version of a database's default collation.
const versionKnown = 150000

// collations compares how both sides order text.
func (c *checker) collations(ctx context.Context) error {
	used, err := collect(ctx, c.source, pgx.RowToStructByName[usedCollation], collationsUsedSQL)
	if err != nil {
		return err
	}
	offered, err := collect(ctx, c.target, pgx.RowToStructByName[offeredCollation], collationsSQL)
	if err != nil {
		return err
	}
	for _, u := range used {
		c.collation(u, offered)
	}
	return c.defaultCollation(ctx)
}

func (c *checker) collation(u usedCollation, offered []offeredCollation) {
	object := "collation " + Relation{Schema: u.Schema, Name: u.Name}.String()
	if u.Version != "" && u.ActualVersion != "" && u.Version != u.ActualVersion {
		c.warn("collation-version", object, fmt.Sprintf("was version %s when its indexes were built and is %s now, so that they may be out of order; the target builds them anew", u.Version, u.ActualVersion),
			"check its unique indexes for duplicates: REINDEX here first")
	}
	if u.Schema == "pg_catalog" {
		if !slices.ContainsFunc(offered, func(o offeredCollation) bool { return o.Name == u.Name }) {
			c.refuse("collation-missing", object, "isn't there on the target, and "+u.UsedBy+" uses it", "install the locale on the target server and run pg_import_system_collations()")
		}
		return
	}
	sameRules := func(o offeredCollation) bool {
		return o.Provider == u.Provider && (u.Provider == "i" || o.Locale == u.Locale)
	}
	if !slices.ContainsFunc(offered, sameRules) {
		c.refuse("collation-missing", object, "needs "+providerName(u)+", which the target server doesn't have", "install it on the target server and run pg_import_system_collations()")
	}
}

func providerName(u usedCollation) string {
	if u.Provider == "i" {
		return "ICU"
	}
	return "locale " + quote(u.Locale)
}

// defaultCollation compares the databases' own. Partitions by range of text are bound to it: rows don't fit elsewhere.
func (c *checker) defaultCollation(ctx context.Context) error {
	here, there := c.catalog.Server, c.there
	if err := c.defaultVersion(ctx); err != nil {
		return err
	}
	if here.Collate == there.Collate && here.CType == there.CType && here.LocaleProvider == there.LocaleProvider && here.Locale == there.Locale {
		return nil
	}
	c.warn("collation", c.database(), fmt.Sprintf("orders text by %s, the target by %s: ORDER BY, ranges of text and upper() may answer differently after the move", here.localeName(), there.localeName()),
		"give columns whose order matters a collation of their own")
	tables, err := collect(ctx, c.source, pgx.RowTo[string], rangeByTextSQL)
	if err != nil {
		return err
	}
	for _, table := range tables {
		c.warn("collation-partition", "table "+table, "is partitioned by range of text under the default collation, which differs: a row that belongs to another partition there makes the copy fail",
			"give its partition key a collation of its own, such as \"C\"")
	}
	return nil
}

func (s Server) localeName() string {
	name := s.Collate
	if s.Locale != "" {
		name = s.Locale + " (ICU)"
	}
	if s.CType != s.Collate {
		name += ", characters by " + s.CType
	}
	return name
}

func (c *checker) defaultVersion(ctx context.Context) error {
	if c.catalog.Server.VersionNum < versionKnown {
		return nil
	}
	type row struct{ Recorded, Actual string }
	version, err := one[row](ctx, c.source, collationVersionSQL)
	if err != nil {
		return err
	}
	if version.Recorded != "" && version.Actual != "" && version.Recorded != version.Actual {
		c.warn("collation-version", c.database(), fmt.Sprintf("was made with version %s of its collation, and the server has %s now: its indexes may be out of order", version.Recorded, version.Actual),
			"REINDEX here first, and look for duplicates")
	}
	return nil
}
