package inspect

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// rowAlias names the row of a probed table; no client has a column of that name.
const rowAlias = "tenantctl_row"

// failingRows are rows that a probe found: how many, and some of them.
type failingRows struct {
	total int64
	rows  []failingRow
}

type failingRow struct {
	Total   int64
	Key     string   // id=1, or ctid where the table has no key; bytes beyond ASCII as \nnn
	Columns []string // the columns concerned
}

// String lists rows by key and column.
func (f failingRows) String() string {
	var names []string
	for _, row := range f.rows {
		names = append(names, row.Key+" ("+strings.Join(row.Columns, ", ")+")")
	}
	text := strings.Join(names, "; ")
	if more := f.total - int64(len(f.rows)); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// failing counts the rows of a table whose text meets a condition, in one scan, and keeps the keys and columns of some.
func (c *checker) failing(ctx context.Context, t Table, condition func(text string) string, arg any) (failingRows, error) {
	var probes []probe
	for _, column := range t.Columns {
		probes = append(probes, probe{column.Name, condition(rowAlias + "." + postgres.Ident(column.Name) + "::text")})
	}
	return c.probe(ctx, c.source, t, probes, condition(rowAlias+"::text"), arg)
}

// probe is a column and the condition, over rowAlias, under which it is named.
type probe struct{ column, condition string }

// probe is failing for any condition: where selects the rows, each probe its column.
func (c *checker) probe(ctx context.Context, tx pgx.Tx, t Table, probes []probe, where string, args ...any) (failingRows, error) {
	var columns, key []string
	for _, p := range probes {
		columns = append(columns, "case when "+p.condition+" then "+ascii(postgres.Literal(quote(p.column)))+" end")
	}
	for _, name := range t.Key {
		key = append(key, ascii(postgres.Literal(quote(name)+"=")+" || "+rowAlias+"."+postgres.Ident(name)+"::text"))
	}
	if len(key) == 0 {
		key = []string{"'ctid=' || " + rowAlias + ".ctid::text"}
	}
	sql := "select count(*) over () as total, concat_ws(', ', " + strings.Join(key, ", ") + ") as key, array_remove(array[" + strings.Join(columns, ", ") + "], null) as columns" +
		" from only " + postgres.Ident(t.Schema, t.Name) + " as " + rowAlias + " where " + where + fmt.Sprintf(" limit %d", maxFailing)
	var found failingRows
	err := attempt(ctx, tx, func(tx pgx.Tx) (err error) {
		found.rows, err = collect(ctx, tx, pgx.RowToStructByName[failingRow], sql, args...)
		return err
	})
	if postgres.Code(err) == "42501" {
		return failingRows{}, nil // a refusal of its own
	}
	if len(found.rows) > 0 {
		found.total = found.rows[0].Total
	}
	return found, err
}

// ascii is SQL that writes a text without a byte that could fail on its way to us.
func ascii(text string) string {
	return "encode(convert_to(" + text + ", getdatabaseencoding()), 'escape')"
}

var byteSequence = regexp.MustCompile(`0x[0-9a-f]{2}(?: 0x[0-9a-f]{2})*`)

// bytesOf reads the byte sequence that a conversion error of any language names: 0xe2 0x82 0xac.
func bytesOf(message string) []byte {
	digits := strings.NewReplacer("0x", "", " ", "").Replace(byteSequence.FindString(message))
	if digits == "" {
		return nil
	}
	character, err := hex.DecodeString(digits)
	if err != nil {
		return nil
	}
	return character
}

// hexList writes characters as bytes.
func hexList(characters [][]byte) string {
	var texts []string
	for _, character := range characters {
		texts = append(texts, "0x"+hex.EncodeToString(character))
	}
	return list(texts)
}
