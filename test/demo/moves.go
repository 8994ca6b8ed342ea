package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func playPlatform(ctx context.Context, s *stage) error {
	for _, args := range [][]string{{"validate"}, {"local", "up"}, {"doctor"}, {"status"}} {
		if _, err := s.run(ctx, 0, args...); err != nil {
			return err
		}
	}
	dsn, err := s.ask(ctx, "local", "status", "--show-dsn")
	s.shared = dsn
	return err
}

func playMapped(ctx context.Context, s *stage) error {
	x := s.clients["client-x"]
	if err := s.move(ctx, "migrate", x.name, "--yes"); err != nil {
		return err
	}
	if err := s.compare(ctx, x, mappedPairs()); err != nil {
		return err
	}
	if err := s.writes(ctx, x, false); err != nil {
		return err
	}
	s.say("\nThe platform's own words, under the tenant's own role:")
	result, err := s.run(ctx, 0, "psql", x.name, "-c", "select status, count(*) from orders group by status order by status")
	if err != nil {
		return err
	}
	if err := contains("psql", result.stdout, "closed    | 50001"); err != nil {
		return err
	}
	_, err = s.run(ctx, 0, "status", x.name)
	return err
}

func playRefused(ctx context.Context, s *stage) error {
	z := s.clients["client-z"]
	if _, err := s.run(ctx, 1, "inspect", z.name); err != nil {
		return err
	}
	result, err := s.run(ctx, 1, "migrate", z.name, "--yes")
	if err != nil {
		return err
	}
	if err := contains("the refusal", result.stderr, "the legacy schema's version is 6, but the mapping was written for 7"); err != nil {
		return err
	}
	made, err := s.answer(ctx, s.shared, "", "select count(*) from pg_catalog.pg_namespace where nspname like 'tenant_client_z%'")
	if err != nil {
		return err
	}
	if err := equal("schemas that a refused move made", made, "0"); err != nil {
		return err
	}
	s.checked("there is no schema of client-z on the platform")
	return s.writes(ctx, z, true)
}

const mappingOfZ = `legacy: { dsn: "${CLIENT_Z_DSN}", mapping: examples/monolith/mapping.yaml }`

func playLift(ctx context.Context, s *stage) error {
	z := s.clients["client-z"]
	text, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	lifted := strings.Replace(mappingOfZ, ", mapping: examples/monolith/mapping.yaml", "", 1)
	edited := strings.Replace(string(text), mappingOfZ, lifted, 1)
	if edited == string(text) {
		return fmt.Errorf("tenants.yaml doesn't hold: %s", mappingOfZ)
	}
	fmt.Printf("\n  client-z:\n  -   %s\n  +   %s\n", mappingOfZ, lifted)
	if err := os.WriteFile(s.file(), []byte(edited), 0o600); err != nil {
		return err
	}
	if err := s.move(ctx, "migrate", z.name, "--yes"); err != nil {
		return err
	}
	if err := s.compare(ctx, z, liftedPairs()); err != nil {
		return err
	}
	// The old application's statements go on working: its trigger keeps the total of an order.
	total, err := s.answer(ctx, s.shared, z.schema()+", ext", `select "Total" = order_total("OrderID") from "Orders" where "OrderID" = 4711`)
	if err != nil {
		return err
	}
	if err := equal("the total of order 4711 is the one that its function gives", total, "true"); err != nil {
		return err
	}
	return s.writes(ctx, z, false)
}

func playRollback(ctx context.Context, s *stage) error {
	x := s.clients["client-x"]
	if _, err := s.run(ctx, 0, "psql", x.name, "--write", "-c", "update orders set status = 'closed' where id = 4711"); err != nil {
		return err
	}
	result, err := s.run(ctx, 6, "rollback", x.name)
	if err != nil {
		return err
	}
	if err := contains("the refusal", result.stderr, "tenant_client_x.orders"); err != nil {
		return err
	}
	if err := s.writes(ctx, x, false); err != nil {
		return err
	}
	if _, err := s.run(ctx, 0, "rollback", x.name, "--discard-platform-writes", "--reason", "the demo goes back"); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(s.project, ".tenantctl", "archives", "client-x-*.dump"))
	if err = errors.Join(err, equal("archives of what the platform wrote", len(archives), 1)); err != nil {
		return err
	}
	if err := s.writes(ctx, x, true); err != nil {
		return err
	}
	left, err := s.answer(ctx, s.shared, x.schema(), "select (select count(*) from customers) + (select count(*) from orders) + (select count(*) from order_items)")
	if err != nil {
		return err
	}
	if err := equal("rows of client-x that stay on the platform", left, "0"); err != nil {
		return err
	}
	s.checked("no row of client-x is left on the platform")
	return nil
}

func playEnd(ctx context.Context, s *stage) error {
	for _, args := range [][]string{{"complete", "client-z", "--yes"}, {"verify", "--all"}, {"status"}} {
		if _, err := s.run(ctx, 0, args...); err != nil {
			return err
		}
	}
	if _, err := s.run(ctx, 6, "rollback", "client-z"); err != nil {
		return err
	}
	for name, route := range map[string]string{"client-x": "legacy", "client-y": "platform", "client-z": "platform"} {
		status, err := s.ask(ctx, "status", name, "-o", "json")
		if err != nil {
			return err
		}
		if err := contains("the status of "+name, status, `"route": "`+route+`"`); err != nil {
			return err
		}
	}
	return nil
}
