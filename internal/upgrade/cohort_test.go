package upgrade_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
	"tenantctl/internal/upgrade"
)

func TestCohortsShareTheirFiles(t *testing.T) {
	t.Parallel()
	read := func(service string) *stream.Stream {
		s, err := stream.Read(service, fstest.MapFS{
			"001_a.up.sql": {Data: []byte("create table t (a int)")},
			"002_b.up.sql": {Data: []byte("alter table t add b int")},
			"005_c.up.sql": {Data: []byte("alter table t add c int")},
		})
		require.NoError(t, err)
		return s
	}
	member := func(name string, result upgrade.Result, before map[string]*uint64) upgrade.Outcome {
		o := upgrade.Outcome{Before: before, Result: result}
		o.Schema = name
		return o
	}
	one, five := new(uint64(1)), new(uint64(5))
	cohorts := upgrade.Cohorts([]*stream.Stream{read("auth"), read("core")},
		[]upgrade.Target{{Service: "auth", Version: 2}, {Service: "core", Version: 5}},
		[]upgrade.Outcome{
			member("a", upgrade.Pending, map[string]*uint64{"auth": nil, "core": one}),
			member("b", upgrade.Pending, map[string]*uint64{"core": one}),
			member("c", upgrade.Skipped, map[string]*uint64{"core": one}),
			member("d", upgrade.Pending, map[string]*uint64{"auth": nil, "core": new(uint64(1))}),
			member("e", upgrade.Pending, map[string]*uint64{"core": five}),
			member("f", upgrade.Pending, map[string]*uint64{"auth": new(uint64(2)), "core": one}),
		})
	var shown []string
	for _, cohort := range cohorts {
		line := cohort.String() + ":"
		for _, m := range cohort.Members {
			line += " " + m.Schema
		}
		shown = append(shown, line)
	}
	require.Equal(t, []string{"auth nothing to 2, core 1 to 5: a d", "core 1 to 5: b f"}, shown)
	require.Len(t, cohorts[1].Stretches[0].Files(), 2)
}
