package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	shops      = 40
	shopInTwin = 17 // has an e-mail address twice
)

func shopSchema(i int) string { return fmt.Sprintf("tenant_shop_%02d", i) }

// playShops declares forty tenants of a service of the user's own and makes them at its first version.
func playShops(ctx context.Context, s *stage) error {
	if err := s.openShops(); err != nil {
		return err
	}
	s.typed("provision", "--selector", "service=shop")
	if _, err := s.ask(ctx, "provision", "--selector", "service=shop"); err != nil { // forty lines alike
		return err
	}
	for i := 1; i <= shops; i++ {
		sql := fmt.Sprintf(`set search_path = %s; insert into customers (name, email) select 'customer ' || n, n || '@example.com' from generate_series(1, 50) n;
			insert into orders (customer, total) select id, id from customers`, shopSchema(i))
		if i == shopInTwin {
			sql += `; insert into customers (name, email) values ('twin', '7@example.com')`
		}
		if err := s.execute(ctx, s.shared, sql); err != nil {
			return err
		}
	}
	return s.shopsAt(ctx, map[string]int{"1": shops})
}

// openShops puts the tenants, their rings and the service's first version into tenants.yaml.
func (s *stage) openShops() error {
	text, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	const services = "services:\n"
	edited := strings.Replace(string(text), services, `rollout:
  rings:
    - { name: canary, parallel: 1 }
    - { name: general, parallel: 8, waves: [10%, 50%, 100%] }
`+services+"  shop: { migrations: shop }\n", 1)
	if edited == string(text) {
		return fmt.Errorf("tenants.yaml has no line %q", strings.TrimSpace(services))
	}
	for i := 1; i <= shops; i++ {
		ring := "general"
		if i <= 2 {
			ring = "canary"
		}
		edited += fmt.Sprintf("  shop-%02d: { services: [shop], ring: %s }\n", i, ring)
	}
	if err := os.WriteFile(s.file(), []byte(edited), 0o600); err != nil {
		return err
	}
	return s.shipShop("001_base")
}

// shipShop adds versions to the service's folder.
func (s *stage) shipShop(names ...string) error {
	for _, name := range names {
		for _, way := range []string{".up.sql", ".down.sql"} {
			text, err := os.ReadFile(filepath.Join(s.root, "examples", "shop", "migrations", name+way))
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Join(s.project, "shop"), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(s.project, "shop", name+way), text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// shopsAt counts by plain SQL how many shops stand at which version, and that none is dirty.
func (s *stage) shopsAt(ctx context.Context, want map[string]int) error {
	got := map[string]int{}
	for i := 1; i <= shops; i++ {
		version, err := s.answer(ctx, s.shared, shopSchema(i), "select version || case when dirty then ' dirty' else '' end from schema_migrations_shop")
		if err != nil {
			return err
		}
		got[version]++
	}
	if err := equal("shops by version", fmt.Sprint(got), fmt.Sprint(want)); err != nil {
		return err
	}
	s.checked("asked by plain SQL, the shops stand at %s, none of them dirty", strings.TrimPrefix(fmt.Sprint(got), "map"))
	return nil
}

// playRollout upgrades all shops; one can't be, is mended, and the rollout goes on.
func playRollout(ctx context.Context, s *stage) error {
	if err := s.shipShop("002_contact", "003_orders_by_customer"); err != nil {
		return err
	}
	shown, err := s.run(ctx, 0, "upgrade", "--selector", "service=shop", "--dry-run")
	if err != nil {
		return err
	}
	if err := contains("the dry run", shown.stdout, "shop-17"); err != nil {
		return err
	}
	if err := s.shopsAt(ctx, map[string]int{"1": shops}); err != nil {
		return err
	}
	if _, err := s.run(ctx, 5, "upgrade", "--selector", "service=shop", "--yes"); err != nil {
		return err
	}
	if err := s.shopsAt(ctx, map[string]int{"1": 1, "3": shops - 1}); err != nil {
		return err
	}
	s.say("\nThe address that shop-17 has twice is mended, and the rollout goes on with what is left of it:")
	if err := s.execute(ctx, s.shared, "delete from "+shopSchema(shopInTwin)+".customers where name = 'twin'"); err != nil {
		return err
	}
	if _, err := s.run(ctx, 0, "upgrade", "--resume"); err != nil {
		return err
	}
	return s.shopsAt(ctx, map[string]int{"3": shops})
}

// playRolledBack takes all shops back to where they were.
func playRolledBack(ctx context.Context, s *stage) error {
	if _, err := s.run(ctx, 0, "rollouts", "r1"); err != nil {
		return err
	}
	if _, err := s.run(ctx, 0, "upgrade", "--rollback", "r1", "--yes"); err != nil {
		return err
	}
	if err := s.shopsAt(ctx, map[string]int{"1": shops}); err != nil {
		return err
	}
	rows, err := s.answer(ctx, s.shared, shopSchema(shopInTwin), "select count(*) || ' ' || (select count(*) from orders) from customers")
	if err != nil {
		return err
	}
	if err := equal("customers and orders of shop-17", rows, "50 50"); err != nil {
		return err
	}
	s.checked("shop-17 has its 50 customers and 50 orders")
	return nil
}
