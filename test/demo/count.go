package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// pair is a question that has to get the same answer on both sides. A plain name asks for the number of a table's rows.
type pair struct{ legacy, tenant string }

// mappedPairs are the monolith's tables and the platform's, and sums that the mapping must not change.
func mappedPairs() []pair {
	return []pair{
		{`"Customers"`, `customers`},
		{`products`, `products`},
		{`"Orders"`, `orders`},
		{`order_lines`, `order_items`},
		{`invoices`, `invoices`},
		{`"Users"`, `"Users"`},
		{`settings`, `settings`},
		{`"LoyaltyBookings"`, `"LoyaltyBookings"`},
		{`select sum("Total") from "Orders"`, `select sum((extra ->> 'total')::numeric) from orders`},
		{`select sum(round((quantity * unit_price * (1 - rebate_pct / 100))::numeric, 2)) from order_lines`, `select sum(round(quantity * unit_price * (1 - discount), 2)) from order_items`},
		{`select count(*) from "Orders" where "Status" = 'O'`, `select count(*) from orders where status = 'open'`},
		{`select count(*) from "Customers" where "Name" ~ '^田中 '`, `select count(*) from customers where name ~ '^田中 '`},
		{`select sum("CreditLimit") from "Customers" where not "Deleted"`, `select sum((extra ->> 'credit_limit')::numeric) from customers where not (extra ->> 'deleted')::boolean`},
		{`select max("Placed") from "Orders"`, `select max(placed_at) at time zone 'UTC' from orders`},
	}
}

// ownPairs are what only client-y has.
func ownPairs() []pair {
	return append(mappedPairs(),
		pair{`custom_discount_groups`, `custom_discount_groups`},
		pair{`select count(*) from "Customers" where discount_group = 'group 7'`, `select count(*) from customers where extra ->> 'discount_group' = 'group 7'`},
		pair{`select count(*) from "Orders" where "CostCenter" = 'CC-10'`, `select count(*) from orders where extra ->> 'cost_center' = 'CC-10'`},
	)
}

// liftedPairs are asked in the same words on both sides: the schema is the same.
func liftedPairs() []pair {
	var pairs []pair
	for _, question := range []string{
		`"Customers"`, `products`, `"Orders"`, `order_lines`, `invoices`, `"Users"`, `settings`, `audit_log`, `schema_info`, `open_invoices`, `"Revenue"`,
		`select sum(amount) from "Revenue"`, `select order_total(4711)`, `select last_value from invoice_number`,
	} {
		pairs = append(pairs, pair{question, question})
	}
	return pairs
}

func asQuestion(text string) string {
	if strings.HasPrefix(text, "select ") {
		return text
	}
	return "select count(*) from " + text
}

// compare asks both sides and fails at the first answer that differs.
func (s *stage) compare(ctx context.Context, c *client, pairs []pair) error {
	rows := 0
	for _, p := range pairs {
		was, err := s.answer(ctx, c.dsn, "public", asQuestion(p.legacy))
		if err != nil {
			return err
		}
		is, err := s.answer(ctx, s.shared, c.schema()+", ext", asQuestion(p.tenant))
		if err != nil {
			return err
		}
		if err := equal(c.name+": "+p.tenant, is, was); err != nil {
			return err
		}
		if n, err := strconv.Atoi(was); err == nil && !strings.HasPrefix(p.legacy, "select ") {
			rows += n
		}
	}
	s.checked("%s: %d questions asked by plain SQL got the same answers on both sides, %d rows among them", c.name, len(pairs), rows)
	return nil
}

// writes checks that the client's application can write to its old database, or that it can't.
func (s *stage) writes(ctx context.Context, c *client, want bool) error {
	err := s.execute(ctx, c.dsn, `insert into settings (name, value) values ('demo', 'written') on conflict (name) do update set value = 'again'`)
	if want != (err == nil) {
		return fmt.Errorf("%s writes to its old database: want %t, got: %w", c.name, want, err)
	}
	if err != nil {
		s.checked("%s's application tries to write to its old database: %s", c.name, firstLine(err))
		return nil
	}
	s.checked("%s's application writes to its old database", c.name)
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// checked says what the demo has found true on its own.
func (s *stage) checked(format string, args ...any) {
	fmt.Printf("  ✓ "+format+"\n", args...)
}

func equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

func contains(what, text, want string) error {
	if !strings.Contains(text, want) {
		return fmt.Errorf("%s doesn't say %q: %s", what, want, text)
	}
	return nil
}
