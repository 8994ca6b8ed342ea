package core

import (
	"context"
	"encoding/json"

	"tenantctl/internal/platform/scope"
)

// itemsSQL makes the lines of order $1 from the items $2. What no price is given for has its product's.
const itemsSQL = `
	insert into order_items (order_id, line, product_id, quantity, unit_price, discount, note)
	select $1::bigint, n, (i ->> 'product_id')::bigint, (i ->> 'quantity')::numeric, coalesce((i ->> 'unit_price')::numeric, p.price),
		coalesce((i ->> 'discount')::numeric, 0), i ->> 'note'
	from jsonb_array_elements($2::jsonb) with ordinality as items (i, n)
	left join products p on p.id = (i ->> 'product_id')::bigint`

// setItems makes an order's lines those of the body, where it has any.
func setItems(ctx context.Context, tx scope.Tx, body map[string]json.RawMessage, key string) error {
	items, is := body["items"]
	if !is {
		return nil
	}
	if _, err := tx.Exec(ctx, `delete from order_items where order_id = $1::bigint`, key); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, itemsSQL, key, string(items))
	return err
}
