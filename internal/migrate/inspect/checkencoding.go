package inspect

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/catalog_text.sql
var catalogTextSQL string

const (
	utf8Encoding  = "UTF8"
	asciiEncoding = "SQL_ASCII" // whatever bytes a client sent
)

// validUTF8 matches, byte by byte in a SQL_ASCII database, what PostgreSQL takes as UTF-8: no overlong forms, no surrogates.
const validUTF8 = `^([\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]` +
	`|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*$`

// maxFailing is how many rows of a table a finding lists.
const maxFailing = 20

// encodings checks that every text can be read as UTF-8, in which rows travel, and be written on the target. Where the
// encodings don't promise it, every row is looked at.
func (c *checker) encodings(ctx context.Context) error {
	here, there := c.catalog.Server.Encoding, c.there.Encoding
	if there != utf8Encoding && there != here {
		c.warn("encoding", "target database "+quote(c.there.Database), fmt.Sprintf("is encoded in %s, the legacy one in %s", there, here), "an instance for several clients is best made in UTF8")
	}
	if here == asciiEncoding {
		if err := c.asciiText(ctx); err != nil {
			return err
		}
	}
	for _, step := range conversions(here, there) {
		for _, t := range c.probed() {
			if err := c.convertible(ctx, t, step); err != nil {
				return fmt.Errorf("table %s: %w", t.Relation, err)
			}
		}
	}
	return nil
}

// probed lists the tables whose rows are looked at.
func (c *checker) probed() []Table {
	var tables []Table
	for _, t := range c.catalog.Tables {
		if t.Kind == Ordinary && len(t.Columns) > 0 && c.moved(t.Schema, t.Name) {
			tables = append(tables, t)
		}
	}
	return tables
}

// asciiText finds text that isn't UTF-8 in a database that says nothing about its bytes.
func (c *checker) asciiText(ctx context.Context) error {
	failed := 0
	for _, t := range c.probed() {
		condition := func(text string) string { return "not (" + text + " ~ $1)" }
		rows, err := c.failing(ctx, t, condition, validUTF8)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Relation, err)
		}
		if rows.total > 0 {
			failed++
			c.refuse("encoding", "table "+t.String(), fmt.Sprintf("has %s whose bytes aren't valid UTF-8, in a database that doesn't say what they are (SQL_ASCII): %s", count(rows.total, "row"), rows),
				"rewrite them by what the application wrote, for WIN1252: SET c = convert_from(convert(convert_to(c, 'SQL_ASCII'), 'WIN1252', 'UTF8'), 'SQL_ASCII')")
		}
	}
	objects, err := collect(ctx, c.source, pgx.RowTo[string], catalogTextSQL, validUTF8)
	if err != nil {
		return err
	}
	for _, object := range objects {
		c.refuse("encoding", object, "has a name, definition or comment that isn't valid UTF-8", "rename or redefine it")
	}
	if failed == 0 && len(objects) == 0 {
		c.note("encoding", c.database(), "doesn't say what its bytes mean (SQL_ASCII); every row was read, and all are valid UTF-8", "")
	}
	return nil
}

// conversion is one step of a text's way: what the server makes of the bytes, from one encoding into another.
type conversion struct {
	bytes    string // SQL of the bytes to convert; %s is the text
	from, to string
}

// conversions are the steps between two encodings that some text may fail. Rows travel as UTF-8.
func conversions(here, there string) []conversion {
	own := "convert_to(%s, '" + here + "')"
	var steps []conversion
	if here != utf8Encoding && here != asciiEncoding {
		steps = append(steps, conversion{bytes: own, from: here, to: utf8Encoding})
	}
	if there == utf8Encoding || there == asciiEncoding || there == here {
		return steps
	}
	if len(steps) > 0 {
		own = "convert(" + own + ", '" + here + "', '" + utf8Encoding + "')"
	}
	return append(steps, conversion{bytes: own, from: utf8Encoding, to: there})
}

// maxCharacters bounds how many characters without equivalent are told apart in one table.
const maxCharacters = 50

// convertible finds the rows of a table that a conversion fails on. The server stops at the first character without equivalent,
// so that characters are learned one by one from its errors; then the rows that hold any are counted.
func (c *checker) convertible(ctx context.Context, t Table, step conversion) error {
	var bad [][]byte
	for len(bad) < maxCharacters {
		character, err := c.unconvertible(ctx, t, step, bad)
		if err != nil {
			return err
		}
		if character == nil {
			break
		}
		bad = append(bad, character)
	}
	if len(bad) == 0 {
		return nil
	}
	condition := func(text string) string { return step.holds(text, "$1") }
	rows, err := c.failing(ctx, t, condition, bad)
	if err != nil {
		return err
	}
	c.refuse("encoding", "table "+t.String(), fmt.Sprintf("has %s with characters that %s has and %s hasn't (%s): %s", count(rows.total, "row"), step.from, step.to, hexList(bad), rows),
		"replace these characters")
	return nil
}

// holds is SQL: the text has one of the characters.
func (s conversion) holds(text, characters string) string {
	return "exists (select from unnest(" + characters + "::bytea[]) as b (c) where strpos(" + text + ", convert_from(b.c, '" + s.from + "')) > 0)"
}

// unconvertible is the first character, beyond those known, that the conversion fails on; nil if there is none.
func (c *checker) unconvertible(ctx context.Context, t Table, step conversion, known [][]byte) ([]byte, error) {
	text := rowAlias + "::text"
	sql := "select count(length(convert(" + fmt.Sprintf(step.bytes, text) + ", '" + step.from + "', '" + step.to + "'))) from only " +
		postgres.Ident(t.Schema, t.Name) + " as " + rowAlias + ` where ` + text + ` ~ '[^\x01-\x7f]' and not ` + step.holds(text, "$1")
	err := attempt(ctx, c.source, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, known)
		return err
	})
	switch postgres.Code(err) {
	case "22P05": // untranslatable_character
		if character := bytesOf(err.Error()); character != nil {
			return character, nil
		}
	case "42501": // insufficient_privilege: a refusal of its own
		return nil, nil
	}
	return nil, err
}
