package bench_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkMapping is a move by a mapping (renames, casts, one case) against the lift of the same table.
func BenchmarkMapping(b *testing.B) {
	for b.Loop() {
		p := newProduct(setup(b))
		source := p.legacy("legacy", fmt.Sprintf(`
			create table "Orders" ("OrderID" integer primary key, "Customer" varchar(40) not null, "Placed" timestamp not null,
				"Status" char(1) not null, "Total" double precision not null, "Note" text);
			insert into "Orders" select i, 'customer ' || i %% 5000, '2020-01-01'::timestamp + i * interval '1 minute',
				case i %% 3 when 0 then 'O' else 'C' end, (i %% 100000) / 4.0, repeat(md5(i::text), 3)
			from generate_series(1, %d) i`, scaled(b, 2_000_000)))
		p.file("sales/001_orders.up.sql", `create table orders (id bigint primary key, customer text not null, placed_at timestamptz not null,
			status text not null, total numeric(12, 2) not null, note text);`)
		p.file("sales/001_orders.down.sql", `drop table orders;`)
		p.file("mapping.yaml", ordersMapping)
		move := func(legacy, client string) time.Duration {
			p.declare("services:\n  sales: { migrations: ./sales }", legacy, client)
			return p.migrate(source).elapsed
		}
		compete(b, "mapping", []func() laps{
			func() laps { return laps{"mapping": move(", mapping: mapping.yaml", ", services: [sales]")} },
			func() laps { return laps{"lift": move("", "")} },
		}, bar{"lift", 1.3})
	}
}

const ordersMapping = `version: 1
tables:
  - from: public."Orders"
    to: orders
    service: sales
    columns:
      id: '"OrderID"'
      customer: '"Customer"'
      placed_at: { sql: '"Placed" at time zone ''UTC''', reverse: { '"Placed"': 'placed_at at time zone ''UTC''' } }
      status: { sql: 'case "Status" when ''O'' then ''open'' else ''closed'' end', reverse: { '"Status"': 'case status when ''open'' then ''O'' else ''C'' end' } }
      total: { sql: '"Total"::numeric(12,2)', reverse: { '"Total"': 'total::float8' } }
      note: '"Note"'
`
