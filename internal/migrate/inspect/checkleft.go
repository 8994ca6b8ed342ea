package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
)

//go:embed sql/left_behind.sql
var leftBehindSQL string

// leftRow is what a move leaves behind, all of a kind together.
type leftRow struct {
	Grants         []string // grantee (objects)
	Owners         []string
	Tablespaces    []string // tablespace (relations)
	LabelProviders []string
	Settings       []string // setting of whom; never its value, which may be a secret
	LargeObjects   int64
}

// leftBehind names what doesn't come along.
func (c *checker) leftBehind(ctx context.Context) error {
	left, err := one[leftRow](ctx, c.source, leftBehindSQL)
	if err != nil {
		return err
	}
	c.largeObjects(left.LargeObjects)
	if len(left.Settings) > 0 {
		c.note("setting", c.database(), "has settings that aren't carried: "+strings.Join(left.Settings, ", "), "set what the application needs in its connection")
	}
	if !c.opts.Lift {
		return nil
	}
	if len(left.Grants) > 0 {
		c.note("grant", c.database(), "grants objects (counted) to roles that get nothing from the move: "+strings.Join(left.Grants, ", "), "the tenant's own roles are granted what they need")
	}
	if len(left.Owners) > 1 {
		c.note("owner", c.database(), "has objects of several owners, which all become the tenant's: "+list(quoted(left.Owners)), "")
	}
	if len(left.Tablespaces) > 0 {
		c.note("tablespace", c.database(), "keeps relations (counted) in tablespaces, which become the instance's default: "+strings.Join(left.Tablespaces, ", "), "")
	}
	if len(left.LabelProviders) > 0 {
		c.warn("security-label", c.database(), "has security labels that stay behind, of "+strings.Join(left.LabelProviders, ", "), "check what they protect")
	}
	return nil
}

func (c *checker) largeObjects(number int64) {
	if number == 0 || c.opts.LargeObjects {
		return
	}
	message := fmt.Sprintf("has %s, which no table holds and no copy of tables carries", count(number, "large object"))
	if !c.opts.Lift {
		c.warn("large-object", c.database(), message+"; they stay behind", "see that no mapped column refers to one")
		return
	}
	c.refuse("large-object", c.database(), message, "turn them into bytea columns (lo_get), or remove them (vacuumlo, lo_unlink)")
}
