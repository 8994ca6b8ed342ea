package bench_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const megabyte = 1 << 20

// BenchmarkMemory is how much memory the process that moves takes at its highest: at most 100 MB and twice the largest row. It
// fails where more is taken.
func BenchmarkMemory(b *testing.B) {
	rowBytes := 200 * megabyte
	cases := []struct {
		name, sql  string
		largestRow int
	}{
		{"many-rows", fmt.Sprintf(`create table many (id bigint primary key, note text);
			insert into many select i, md5(i::text) from generate_series(1, %d) i`, scaled(b, 5_000_000)), 100},
		{"large-row", fmt.Sprintf(`create table large (id int primary key, body bytea);
			alter table large alter body set storage external;
			insert into large values (1, convert_to(repeat('0123456789abcdef', %d), 'UTF8'))`, rowBytes/16), rowBytes},
	}
	for b.Loop() {
		p := newProduct(setup(b))
		p.declare("", "", "")
		for i, c := range cases {
			source := p.legacy(fmt.Sprintf("legacy%d", i), c.sql)
			used, bound := p.migrate(source).memory, int64(100*megabyte+2*c.largestRow)
			fmt.Printf("\nmemory/%s %d MB (bound %d MB)\n", c.name, used/megabyte, bound/megabyte)
			b.ReportMetric(float64(used/megabyte), c.name+"-MB")
			require.LessOrEqual(b, used, bound, "memory of a move of %s", c.name)
		}
	}
}
