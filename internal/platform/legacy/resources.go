package legacy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// The monolith's tables as the platform's API has them, by the words of examples/monolith/mapping.yaml: a client that is moved
// gets the same answers.

// numbered is a condition: a column of numbers equals a text, which may be anything.
func numbered(column string) string {
	return column + ` = case when %[1]s::text ~ '^[0-9]{1,9}$' then %[1]s::text::integer end`
}

// letters are a column's one-letter values, and the platform's words for them.
type letters [][2]string

func (l letters) column(name, target string) resource.Column {
	var read, write strings.Builder
	for _, pair := range l {
		fmt.Fprintf(&read, " when '%s' then '%s'", pair[0], pair[1])
		fmt.Fprintf(&write, " when '%s' then '%s'", pair[1], pair[0])
	}
	return resource.Column{
		Name: name, Kind: resource.Text, Target: target, Read: "case r." + target + read.String() + " end", Write: "case %s" + write.String() + " end",
	}
}

// filter compares with the platform's word.
func (l letters) filter(target string) string { return l.column("", target).Read + " = %s" }

func of(name, target string) resource.Column {
	return resource.Column{Name: name, Kind: resource.Text, Target: target, Read: "r." + target}
}

// blank are columns that the monolith doesn't have.
func blank(names ...string) []resource.Column {
	var list []resource.Column
	for _, name := range names {
		list = append(list, resource.Column{Name: name, Kind: resource.Text, Read: "null::text", Only: []string{"null"}})
	}
	return list
}

// amount is a sum of money with the platform's four digits.
func amount(name, target string) resource.Column {
	return resource.Column{Name: name, Kind: resource.Number, Target: target, Read: "r." + target + "::numeric(19, 4)"}
}

// moment is a time: the monolith wrote it without a zone, and its servers ran on UTC.
func moment(name, target string) resource.Column {
	return resource.Column{
		Name: name, Kind: resource.Moment, Target: target, Read: "r." + target + " at time zone 'UTC'", Write: "%s::timestamptz at time zone 'UTC'",
	}
}

// always is a column whose value is the same in every row.
func always(name, read string, only ...string) resource.Column {
	return resource.Column{Name: name, Kind: resource.Text, Read: read, Only: only}
}

func extra(read string) resource.Column {
	return resource.Column{Name: "extra", Kind: resource.Object, Read: read, Only: []string{"{}"}}
}

func customers(version uint64) *resource.Resource {
	states := letters{{"A", "active"}, {"B", "blocked"}, {"X", "closed"}}
	more := `jsonb_build_object('credit_limit', r."CreditLimit", 'deleted', r."Deleted")`
	if version >= loyaltyVersion {
		more = `jsonb_build_object('credit_limit', r."CreditLimit", 'loyalty_points', r."LoyaltyPoints", 'deleted', r."Deleted")`
	}
	created := moment("created_at", `"Created"`)
	created.Fixed = true
	return &resource.Resource{
		Table: `"Customers"`, What: "customer", Key: `r."CustomerID"::text`, KeyKind: resource.Text, KeyName: "code", Find: numbered(`r."CustomerID"`),
		There: `not r."Deleted"`, Delete: `"Deleted" = true`,
		Columns: append(blank("contact_title", "fax", "region"),
			resource.Column{Name: "code", Kind: resource.Text, Read: `r."CustomerID"::text`, Only: []string{}},
			of("name", `"Name"`), of("contact_name", `"Contact"`), of("email", `"Email"`), of("phone", `"Phone"`), of("street", `"Street"`), of("city", `"City"`),
			resource.Column{Name: "postal_code", Kind: resource.Text, Target: `"Zip"`, Read: `r."Zip"::text`},
			resource.Column{Name: "country", Kind: resource.Text, Target: `"Country"`, Read: `r."Country"::text`},
			states.column("status", `"Status"`), created, extra(more)),
		Filters: map[string]string{"status": states.filter(`"Status"`)},
	}
}

func products() *resource.Resource {
	states := letters{{"Y", "active"}, {"N", "discontinued"}}
	return &resource.Resource{
		Table: "products", What: "product", Key: "r.product_id", KeyKind: resource.Integer, KeyName: "id", Find: numbered("r.product_id"),
		Columns: append(blank("unit"),
			resource.Column{Name: "id", Kind: resource.Integer, Read: "r.product_id", Fixed: true},
			of("sku", "sku"), of("name", "name"), of("description", "description"), amount("price", "price"),
			resource.Column{Name: "stock", Kind: resource.Integer, Target: "in_stock", Read: "r.in_stock"},
			states.column("status", "active"), extra(`jsonb_build_object('picture', encode(r.picture, 'base64'))`)),
		Filters: map[string]string{"status": states.filter("active")},
	}
}

const itemsOf = `(select coalesce(json_agg(json_build_object('line', i.line_no, 'product_id', i.product_id, 'quantity', i.quantity::numeric(14, 3)::text,
	'unit_price', i.unit_price::numeric(19, 4)::text, 'discount', (i.rebate_pct::numeric / 100)::numeric(7, 6)::text, 'note', null) order by i.line_no), '[]')
	from order_lines i where i.order_id = r."OrderID")`

func orders() *resource.Resource {
	states := letters{{"O", "open"}, {"S", "shipped"}, {"C", "closed"}, {"X", "cancelled"}} //nolint:misspell // as the API has it
	return &resource.Resource{
		Table: `"Orders"`, What: "order", Key: `r."OrderID"`, KeyKind: resource.Integer, KeyName: "id", Find: numbered(`r."OrderID"`),
		There: `not r."Deleted"`, Delete: `"Deleted" = true`,
		Keep: `r."Status" in ('S', 'C')`, KeepWhy: "an order that was shipped or closed stays",
		Columns: append(blank("ship_name", "ship_street", "ship_city", "ship_region", "ship_postal_code", "ship_country", "required_on"),
			resource.Column{Name: "id", Kind: resource.Integer, Read: `r."OrderID"`, Fixed: true},
			resource.Column{Name: "customer_code", Kind: resource.Text, Target: `"CustomerID"`, Read: `r."CustomerID"::text`, Write: "%s::integer"},
			states.column("status", `"Status"`), moment("placed_at", `"Placed"`), moment("shipped_at", `"Shipped"`), of("note", `"Remarks"`),
			always("freight", "'0.0000'::text", `"0"`, `"0.0000"`), always("currency", "'EUR'::text", `"EUR"`),
			extra(`jsonb_build_object('region', r."Region", 'user_id', r."UserID", 'total', r."Total", 'deleted', r."Deleted")`)),
		Extra:   `jsonb_build_object('items', ` + itemsOf + `, 'total', r."Total"::numeric(19, 4)::text)`,
		Filters: map[string]string{"status": states.filter(`"Status"`), "customer": numbered(`r."CustomerID"`)},
		After:   setItems,
	}
}

// itemsSQL makes the lines of order $1 from the items $2. The monolith sells whole pieces: of others there is no line, but an error.
const itemsSQL = `
	insert into order_lines (order_id, line_no, product_id, quantity, unit_price, rebate_pct)
	select $1::integer, n, p.product_id, case when quantity = trunc(quantity) then quantity::integer end, coalesce((i ->> 'unit_price')::numeric, p.price),
		coalesce((i ->> 'discount')::numeric, 0) * 100
	from jsonb_array_elements($2::jsonb) with ordinality as items (i, n)
	cross join lateral (select (i ->> 'quantity')::numeric) as q (quantity)
	left join products p on p.product_id = (i ->> 'product_id')::bigint`

func setItems(ctx context.Context, tx scope.Tx, body map[string]json.RawMessage, key string) error {
	items, is := body["items"]
	if !is {
		return nil
	}
	var lines []struct{ Note *string }
	if err := json.Unmarshal(items, &lines); err != nil {
		return err
	}
	for i, line := range lines {
		if line.Note != nil {
			p := service.Refuse(http.StatusUnprocessableEntity, "not-kept", "this application has no place for a part of the order")
			p.Fields = []service.Field{{At: fmt.Sprintf("/items/%d/note", i), Detail: "can't be kept here"}}
			return p
		}
	}
	if _, err := tx.Exec(ctx, `delete from order_lines where order_id = $1::integer`, key); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, itemsSQL, key, string(items))
	return err
}

func invoices() *resource.Resource {
	states := letters{{"I", "issued"}, {"P", "paid"}, {"V", "void"}}
	return &resource.Resource{
		Table: "invoices", What: "invoice", Key: "r.invoice_id", KeyKind: resource.Integer, KeyName: "id", Find: numbered("r.invoice_id"),
		Keep: "true", KeepWhy: "an invoice that was issued stays; make it void",
		Columns: []resource.Column{
			{Name: "id", Kind: resource.Integer, Read: "r.invoice_id", Fixed: true},
			of("number", "number"),
			{Name: "customer_code", Kind: resource.Text, Fixed: true, Read: `(select o."CustomerID"::text from "Orders" o where o."OrderID" = r.order_id)`},
			{Name: "order_id", Kind: resource.Integer, Read: "r.order_id"},
			states.column("status", "state"),
			{Name: "issued_on", Kind: resource.Day, Target: "issued", Read: "r.issued::date", Write: "%s::date::timestamp"},
			{Name: "due_on", Kind: resource.Day, Target: "due", Read: "r.due"},
			moment("paid_at", "paid"), amount("net", "amount"),
			always("tax", "'0.0000'::text", `"0"`, `"0.0000"`), always("currency", "'EUR'::text", `"EUR"`), extra("'{}'::jsonb"),
		},
		Filters: map[string]string{
			"status": states.filter("state"), "customer": `r.order_id in (select o."OrderID" from "Orders" o where ` + numbered(`o."CustomerID"`) + `)`,
		},
		After: sameCustomer,
	}
}

// sameCustomer refuses an invoice for a customer other than its order's: that is how the monolith knows the customer.
func sameCustomer(ctx context.Context, tx scope.Tx, body map[string]json.RawMessage, key string) error {
	given, is := body["customer_code"]
	if !is {
		return nil
	}
	var code string
	if err := json.Unmarshal(given, &code); err != nil {
		return err
	}
	var same bool
	err := tx.QueryRow(ctx, `select o."CustomerID"::text = $2 from invoices i join "Orders" o on o."OrderID" = i.order_id where i.invoice_id = $1::integer`, key, code).Scan(&same)
	if err == nil && !same {
		return service.Refuse(http.StatusUnprocessableEntity, "invalid", "customer_code isn't the order's")
	}
	return err
}
