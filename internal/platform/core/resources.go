package core

// The columns of what a customer, product, order and invoice is to callers.

func stamps(columns ...column) []column {
	return append(columns, column{"extra", object, false}, column{"created_at", moment, true}, column{"updated_at", moment, true})
}

func texts(names ...string) []column {
	var columns []column
	for _, name := range names {
		columns = append(columns, column{name, text, false})
	}
	return columns
}

func customers() *resource {
	return &resource{
		table: "customers", what: "customer", key: "code", keyKind: text,
		columns: stamps(texts("code", "name", "contact_name", "contact_title", "email", "phone", "fax", "street", "city", "region", "postal_code", "country", "status")...),
		filters: map[string]string{"status": "status"},
	}
}

func products() *resource {
	columns := append([]column{{"id", big, true}}, texts("sku", "name", "description", "unit", "status")...)
	return &resource{
		table: "products", what: "product", key: "id", keyKind: big,
		columns: stamps(append(columns, column{"price", number, false}, column{"stock", integer, false})...),
		filters: map[string]string{"status": "status"},
	}
}

// itemsOf are an order's lines, and totalOf what it comes to. There is a view of the totals, but not at every version.
const (
	itemsOf = `(select coalesce(json_agg(json_build_object('line', i.line, 'product_id', i.product_id, 'quantity', i.quantity::text,
		'unit_price', i.unit_price::text, 'discount', i.discount::text, 'note', i.note) order by i.line), '[]') from order_items i where i.order_id = r.id)`
	totalOf = `(select coalesce(sum(i.quantity * i.unit_price * (1 - i.discount)), 0) + r.freight from order_items i where i.order_id = r.id)::numeric(19, 4)::text`
)

func orders() *resource {
	columns := append([]column{{"id", big, true}}, texts("customer_code", "status", "ship_name", "ship_street", "ship_city", "ship_region",
		"ship_postal_code", "ship_country", "currency", "note")...)
	return &resource{
		table: "orders", what: "order", key: "id", keyKind: big,
		columns: stamps(append(columns, column{"placed_at", moment, false}, column{"required_on", day, false}, column{"shipped_at", moment, false},
			column{"freight", number, false})...),
		extra:   `jsonb_build_object('items', ` + itemsOf + `, 'total', ` + totalOf + `)`,
		filters: map[string]string{"status": "status", "customer": "customer_code"},
		keep:    `r.status in ('shipped', 'closed')`, keepWhy: "an order that was shipped or closed stays",
	}
}

func invoices() *resource {
	columns := append([]column{{"id", big, true}}, texts("number", "customer_code", "status", "currency")...)
	return &resource{
		table: "invoices", what: "invoice", key: "id", keyKind: big,
		columns: stamps(append(columns, column{"order_id", big, false}, column{"issued_on", day, false}, column{"due_on", day, false},
			column{"paid_at", moment, false}, column{"net", number, false}, column{"tax", number, false})...),
		filters: map[string]string{"status": "status", "customer": "customer_code"},
		keep:    `r.status <> 'draft'`, keepWhy: "an invoice that was issued stays; make it void",
	}
}
