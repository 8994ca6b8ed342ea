package core

import (
	"fmt"

	"tenantctl/internal/platform/resource"
)

// The columns of what a customer, product, order and invoice is to callers.

const touch = "updated_at = clock_timestamp()"

func stamps(columns ...resource.Column) []resource.Column {
	return append(columns, column("extra", resource.Object), fixed("created_at", resource.Moment), fixed("updated_at", resource.Moment))
}

func column(name string, kind resource.Kind) resource.Column {
	return resource.Column{Name: name, Kind: kind}
}

func fixed(name string, kind resource.Kind) resource.Column {
	return resource.Column{Name: name, Kind: kind, Fixed: true}
}

func texts(names ...string) []resource.Column {
	var columns []resource.Column
	for _, name := range names {
		columns = append(columns, column(name, resource.Text))
	}
	return columns
}

// by are filters of parameters by columns that must be equal to them.
func by(columns map[string]string) map[string]string {
	filters := map[string]string{}
	for parameter, name := range columns {
		filters[parameter] = fmt.Sprintf("r.%s = %%s", name)
	}
	return filters
}

func customers() *resource.Resource {
	return &resource.Resource{
		Table: "customers", What: "customer", Key: "r.code", KeyKind: resource.Text, KeyName: "code", Touch: touch,
		Columns: stamps(texts("code", "name", "contact_name", "contact_title", "email", "phone", "fax", "street", "city", "region", "postal_code", "country", "status")...),
		Filters: by(map[string]string{"status": "status"}),
	}
}

func products() *resource.Resource {
	columns := append([]resource.Column{fixed("id", resource.Big)}, texts("sku", "name", "description", "unit", "status")...)
	return &resource.Resource{
		Table: "products", What: "product", Key: "r.id", KeyKind: resource.Big, KeyName: "id", Touch: touch,
		Columns: stamps(append(columns, column("price", resource.Number), column("stock", resource.Integer))...),
		Filters: by(map[string]string{"status": "status"}),
	}
}

// itemsOf are an order's lines, and totalOf what it comes to. There is a view of the totals, but not at every version.
const (
	itemsOf = `(select coalesce(json_agg(json_build_object('line', i.line, 'product_id', i.product_id, 'quantity', i.quantity::text,
		'unit_price', i.unit_price::text, 'discount', i.discount::text, 'note', i.note) order by i.line), '[]') from order_items i where i.order_id = r.id)`
	totalOf = `(select coalesce(sum(i.quantity * i.unit_price * (1 - i.discount)), 0) + r.freight from order_items i where i.order_id = r.id)::numeric(19, 4)::text`
)

func orders() *resource.Resource {
	columns := append([]resource.Column{fixed("id", resource.Big)}, texts("customer_code", "status", "ship_name", "ship_street", "ship_city", "ship_region",
		"ship_postal_code", "ship_country", "currency", "note")...)
	return &resource.Resource{
		Table: "orders", What: "order", Key: "r.id", KeyKind: resource.Big, KeyName: "id", Touch: touch,
		Columns: stamps(append(columns, column("placed_at", resource.Moment), column("required_on", resource.Day), column("shipped_at", resource.Moment),
			column("freight", resource.Number))...),
		Extra:   `jsonb_build_object('items', ` + itemsOf + `, 'total', ` + totalOf + `)`,
		Filters: by(map[string]string{"status": "status", "customer": "customer_code"}),
		Keep:    `r.status in ('shipped', 'closed')`, KeepWhy: "an order that was shipped or closed stays",
		After: setItems,
	}
}

func invoices() *resource.Resource {
	columns := append([]resource.Column{fixed("id", resource.Big)}, texts("number", "customer_code", "status", "currency")...)
	return &resource.Resource{
		Table: "invoices", What: "invoice", Key: "r.id", KeyKind: resource.Big, KeyName: "id", Touch: touch,
		Columns: stamps(append(columns, column("order_id", resource.Big), column("issued_on", resource.Day), column("due_on", resource.Day),
			column("paid_at", resource.Moment), column("net", resource.Number), column("tax", resource.Number))...),
		Filters: by(map[string]string{"status": "status", "customer": "customer_code"}),
		Keep:    `r.status <> 'draft'`, KeepWhy: "an invoice that was issued stays; make it void",
	}
}
